#include "base/base64.hpp"

#include <cstdint>

#include "base/error.hpp"

namespace mk {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

[[noreturn]] void refuse() {
    throw Error(ErrorCode::invalid, "the text is not base64");
}

std::uint32_t digit(char letter) {
    const auto found = alphabet.find(letter);
    if (found == std::string_view::npos) {
        refuse();
    }
    return static_cast<std::uint32_t>(found);
}

std::uint32_t byte_at(std::string_view bytes, std::size_t index) {
    return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0U;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::uint32_t group = byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
        text += alphabet[group >> 18 & 63];
        text += alphabet[group >> 12 & 63];
        text += i + 1 < bytes.size() ? alphabet[group >> 6 & 63] : '=';
        text += i + 2 < bytes.size() ? alphabet[group & 63] : '=';
    }
    return text;
}

std::string base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) {
        refuse();
    }
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    const std::string_view letters = text.substr(0, text.size() - padding);
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t collected = 0;
    unsigned bits = 0;
    for (const char letter : letters) {
        collected = (collected << 6 | digit(letter)) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += static_cast<char>(collected >> bits & 0xff);
        }
    }
    // Left-over bits must be zero, otherwise two texts would stand for the same bytes.
    if ((collected & ((1U << bits) - 1)) != 0) {
        refuse();
    }
    return bytes;
}

}  // namespace mk

#include "tunnel/client_hello.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace mk::tunnel {
namespace {

constexpr std::size_t handshake_record = 22;
constexpr std::size_t protocol_major = 3;
constexpr std::size_t client_hello_message = 1;
constexpr std::size_t alpn_extension = 16;
constexpr std::size_t largest_record = 16 * KiB;
constexpr std::size_t random_size = 32;

using Bytes8 = std::span<const std::byte>;

/// Takes numbers and vectors from the front. Once something is missing, everything is.
class Cursor {
  public:
    explicit Cursor(Bytes8 bytes) : rest_(bytes) {}

    bool is_good() const { return is_good_; }
    bool is_empty() const { return rest_.empty(); }

    Bytes8 take(std::size_t size) {
        if (size > rest_.size()) {
            is_good_ = false;
            rest_ = {};
            return {};
        }
        const auto taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }
    std::size_t number(std::size_t size) {
        std::size_t value = 0;
        for (const auto byte : take(size)) {
            value = value << 8U | std::to_integer<std::size_t>(byte);
        }
        return value;
    }
    /// A vector with its length in front, in `length_size` bytes.
    Cursor vector(std::size_t length_size) {
        const auto size = number(length_size);
        return Cursor(take(size));
    }

  private:
    Bytes8 rest_;
    bool is_good_ = true;
};

std::size_t number_of(Bytes8 bytes) {
    return Cursor(bytes).number(bytes.size());
}

struct Message {
    ClientHello::State state = ClientHello::State::incomplete;
    std::vector<std::byte> body{};  ///< without the message's header, when complete
};

/// Whether what was collected so far can be, or is, a whole ClientHello.
void look_at(Message& message) {
    constexpr std::size_t header = 4;
    if (!message.body.empty() && number_of(Bytes8(message.body).first(1)) != client_hello_message) {
        message.state = ClientHello::State::nonsense;
        return;
    }
    if (message.body.size() < header) {
        return;
    }
    const auto size = number_of(Bytes8(message.body).subspan(1, 3));
    if (size > largest_client_hello) {
        message.state = ClientHello::State::nonsense;
    } else if (message.body.size() >= header + size) {
        message.state = ClientHello::State::complete;
        message.body = {message.body.begin() + header,
                        message.body.begin() + static_cast<std::ptrdiff_t>(header + size)};
    }
}

/// The ClientHello without the records around it; it may be spread over several.
Message first_message(Bytes8 bytes) {
    constexpr std::size_t header = 5;  // type, version (the minor one says nothing), length
    Message message;
    while (message.state == ClientHello::State::incomplete) {
        const bool is_other = (!bytes.empty() && number_of(bytes.first(1)) != handshake_record) ||
                              (bytes.size() > 1 && number_of(bytes.subspan(1, 1)) != protocol_major);
        const auto length = bytes.size() < header ? 1 : number_of(bytes.subspan(3, 2));
        if (is_other || length == 0 || length > largest_record) {
            message.state = ClientHello::State::nonsense;
            break;
        }
        if (bytes.size() < header) {
            break;
        }
        const auto part = bytes.subspan(header, std::min(length, bytes.size() - header));
        message.body.insert(message.body.end(), part.begin(), part.end());
        look_at(message);
        if (part.size() < length) {
            break;
        }
        bytes = bytes.subspan(header + length);
    }
    return message;
}

/// Nothing when a length in it points beyond it.
std::optional<std::vector<std::string>> protocols_in(Bytes8 alpn) {
    Cursor extension(alpn);
    Cursor names = extension.vector(2);
    std::vector<std::string> protocols;
    while (extension.is_good() && names.is_good() && !names.is_empty()) {
        const auto size = names.number(1);
        const auto name = names.take(size);
        protocols.emplace_back(reinterpret_cast<const char*>(name.data()), name.size());
    }
    return extension.is_good() && names.is_good() ? std::optional(protocols) : std::nullopt;
}

std::optional<std::vector<std::string>> read_body(Bytes8 body) {
    Cursor hello(body);
    hello.take(2 + random_size);  // version, random
    hello.vector(1);              // session
    hello.vector(2);              // ciphers
    hello.vector(1);              // compression
    Cursor extensions = hello.vector(2);
    while (hello.is_good() && !extensions.is_empty()) {
        const auto type = extensions.number(2);
        const auto size = extensions.number(2);
        const auto content = extensions.take(size);
        if (!extensions.is_good()) {
            return std::nullopt;
        }
        if (type == alpn_extension) {
            return protocols_in(content);
        }
    }
    return hello.is_good() ? std::optional(std::vector<std::string>{}) : std::nullopt;
}

}  // namespace

ClientHello parse_client_hello(std::span<const std::byte> bytes) {
    const auto message = first_message(bytes.first(std::min(bytes.size(), largest_client_hello)));
    if (message.state != ClientHello::State::complete) {
        const bool is_too_large = bytes.size() >= largest_client_hello;
        return {.state = is_too_large ? ClientHello::State::nonsense : message.state};
    }
    auto protocols = read_body(message.body);
    if (!protocols) {
        return {.state = ClientHello::State::nonsense};
    }
    return {.state = ClientHello::State::complete, .protocols = std::move(*protocols)};
}

}  // namespace mk::tunnel

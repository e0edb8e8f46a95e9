#pragma once
// The fixed records of the NBD protocol as the client writes and reads them; all big-endian. Internal to block/.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "block/nbd_numbers.hpp"

namespace mk::block::nbd {

inline constexpr std::uint64_t oldstyle_magic = 0x0000420281861253;

/// The wire's own error numbers: Linux' of old, on every system.
inline constexpr std::uint32_t error_no_space = 28;
inline constexpr std::uint32_t error_shutdown = 108;

/// The protocol promises servers that strings are no longer.
inline constexpr std::size_t longest_string = 4096;
template <typename Number>
constexpr void put(std::byte* target, Number value) {
    for (std::size_t i = 0; i < sizeof value; ++i) {
        target[i] = static_cast<std::byte>(value >> (8 * (sizeof value - 1 - i)));
    }
}

template <typename Number>
constexpr Number get(std::span<const std::byte> source, std::size_t at = 0) {
    Number value = 0;
    for (const std::byte byte : source.subspan(at, sizeof value)) {
        value = static_cast<Number>(static_cast<std::uint64_t>(value) << 8 | std::to_integer<std::uint64_t>(byte));
    }
    return value;
}

struct RequestHeader {
    static constexpr std::size_t size = 28;
    Command command = Command::read;
    std::uint64_t cookie = 0;
    Range range{};

    void write_to(std::byte* target) const {
        put<std::uint32_t>(target, request_magic);
        put<std::uint16_t>(target + 4, 0);  // no flags: durability comes from flush, holes are welcome
        put(target + 6, static_cast<std::uint16_t>(command));
        put(target + 8, cookie);
        put(target + 16, range.offset);
        put(target + 24, static_cast<std::uint32_t>(range.length));
    }
};

struct ReplyHeader {
    static constexpr std::size_t size = 16;
    std::uint32_t magic = 0;
    std::uint32_t error = 0;
    std::uint64_t cookie = 0;

    static ReplyHeader read_from(std::span<const std::byte> source) {
        return {get<std::uint32_t>(source), get<std::uint32_t>(source, 4), get<std::uint64_t>(source, 8)};
    }
};

}  // namespace mk::block::nbd

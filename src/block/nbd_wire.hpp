#pragma once
// The numbers of the NBD protocol that the client uses, and its fixed records; all big-endian. Source:
// https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md. Internal to block/.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.hpp"

namespace mk::block::nbd {

inline constexpr std::uint64_t magic = 0x4e42444d41474943;         // "NBDMAGIC"
inline constexpr std::uint64_t option_magic = 0x49484156454f5054;  // "IHAVEOPT"
inline constexpr std::uint64_t oldstyle_magic = 0x0000420281861253;
inline constexpr std::uint64_t option_reply_magic = 0x0003e889045565a9;
inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t reply_magic = 0x67446698;

inline constexpr std::uint16_t handshake_fixed_newstyle = 1;
inline constexpr std::uint16_t handshake_no_zeroes = 2;

inline constexpr std::uint32_t option_go = 7;

inline constexpr std::uint32_t reply_ack = 1;
inline constexpr std::uint32_t reply_info = 3;
inline constexpr std::uint32_t reply_error_bit = 1U << 31;
inline constexpr std::uint32_t reply_unsupported = reply_error_bit | 1;
inline constexpr std::uint32_t reply_policy = reply_error_bit | 2;
inline constexpr std::uint32_t reply_tls_required = reply_error_bit | 5;
inline constexpr std::uint32_t reply_unknown_export = reply_error_bit | 6;
inline constexpr std::uint32_t reply_shutdown = reply_error_bit | 7;

inline constexpr std::uint16_t info_export = 0;
inline constexpr std::uint16_t info_description = 2;
inline constexpr std::uint16_t info_block_size = 3;

inline constexpr std::uint16_t flag_read_only = 1 << 1;
inline constexpr std::uint16_t flag_send_flush = 1 << 2;
inline constexpr std::uint16_t flag_send_write_zeroes = 1 << 6;
inline constexpr std::uint16_t flag_can_multi_conn = 1 << 8;

enum class Command : std::uint16_t { read = 0, write = 1, disconnect = 2, flush = 3, write_zeroes = 6 };

/// The wire's own error numbers: Linux' of old, on every system.
inline constexpr std::uint32_t error_no_space = 28;
inline constexpr std::uint32_t error_shutdown = 108;

/// The protocol promises servers that strings are no longer.
inline constexpr std::size_t longest_string = 4096;
/// What every server takes that announces nothing, and the habit for more.
inline constexpr Bytes habitual_maximum = 32 * MiB;

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

#pragma once
// Numbers of the NBD protocol that client (block/) and server (target/volumes) share. Source:
// https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md.

#include <cstdint>

#include "base/bytes.hpp"

namespace mk::block::nbd {

inline constexpr std::uint64_t magic = 0x4e42444d41474943;         // "NBDMAGIC"
inline constexpr std::uint64_t option_magic = 0x49484156454f5054;  // "IHAVEOPT"
inline constexpr std::uint64_t option_reply_magic = 0x0003e889045565a9;
inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t reply_magic = 0x67446698;

inline constexpr std::uint16_t handshake_fixed_newstyle = 1;
inline constexpr std::uint16_t handshake_no_zeroes = 2;

enum Option : std::uint32_t {
    option_export_name = 1,
    option_abort = 2,
    option_list = 3,
    option_info = 6,
    option_go = 7,
    option_structured_reply = 8,
    option_list_meta_context = 9,
    option_set_meta_context = 10
};

inline constexpr std::uint32_t reply_ack = 1;
inline constexpr std::uint32_t reply_info = 3;
inline constexpr std::uint32_t reply_meta_context = 4;
inline constexpr std::uint32_t reply_error_bit = 1U << 31;
inline constexpr std::uint32_t reply_unsupported = reply_error_bit | 1;
inline constexpr std::uint32_t reply_policy = reply_error_bit | 2;
inline constexpr std::uint32_t reply_invalid = reply_error_bit | 3;
inline constexpr std::uint32_t reply_tls_required = reply_error_bit | 5;
inline constexpr std::uint32_t reply_unknown_export = reply_error_bit | 6;
inline constexpr std::uint32_t reply_shutdown = reply_error_bit | 7;

inline constexpr std::uint16_t info_export = 0;
inline constexpr std::uint16_t info_description = 2;
inline constexpr std::uint16_t info_block_size = 3;

inline constexpr std::uint16_t flag_has_flags = 1 << 0;
inline constexpr std::uint16_t flag_read_only = 1 << 1;
inline constexpr std::uint16_t flag_send_flush = 1 << 2;
inline constexpr std::uint16_t flag_send_fua = 1 << 3;
inline constexpr std::uint16_t flag_send_trim = 1 << 5;
inline constexpr std::uint16_t flag_send_write_zeroes = 1 << 6;
inline constexpr std::uint16_t flag_can_multi_conn = 1 << 8;

enum class Command : std::uint16_t {
    read = 0,
    write = 1,
    disconnect = 2,
    flush = 3,
    trim = 4,
    write_zeroes = 6,
    block_status = 7
};

/// Of one read or write: what every server takes that announces nothing, and the habit for more.
inline constexpr Bytes habitual_maximum = 32 * MiB;

}  // namespace mk::block::nbd

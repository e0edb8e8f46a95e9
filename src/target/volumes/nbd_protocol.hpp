#pragma once
// Numbers of the NBD protocol (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md) that the server
// uses. Internal to the NBD server.

#include <cstdint>

#include "base/bytes.hpp"

namespace mk::volumes::nbd {

inline constexpr std::uint64_t magic = 0x4e42444d41474943;         // "NBDMAGIC"
inline constexpr std::uint64_t option_magic = 0x49484156454F5054;  // "IHAVEOPT"
inline constexpr std::uint64_t option_reply_magic = 0x3e889045565a9;
inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t reply_magic = 0x67446698;

inline constexpr std::uint16_t handshake_fixed_newstyle = 1;
inline constexpr std::uint16_t handshake_no_zeroes = 2;

enum Option : std::uint32_t { opt_export_name = 1, opt_abort = 2, opt_list = 3, opt_info = 6, opt_go = 7 };

inline constexpr std::uint32_t rep_ack = 1;
inline constexpr std::uint32_t rep_info = 3;
inline constexpr std::uint32_t rep_err_unsup = 0x80000001;
inline constexpr std::uint32_t rep_err_invalid = 0x80000003;
inline constexpr std::uint32_t rep_err_unknown = 0x80000006;
inline constexpr std::uint32_t rep_err_too_big = 0x80000009;

inline constexpr std::uint16_t info_export = 0;
inline constexpr std::uint16_t info_block_size = 3;

// HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES, CAN_MULTI_CONN: a flush on one connection covers the
// writes answered on all others, because they share one backend.
inline constexpr std::uint16_t transmission_flags = 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 8;

enum Command : std::uint16_t {
    cmd_read = 0,
    cmd_write = 1,
    cmd_disconnect = 2,
    cmd_flush = 3,
    cmd_trim = 4,
    cmd_write_zeroes = 6
};

inline constexpr std::uint16_t flag_fua = 1;
inline constexpr std::uint16_t flag_no_hole = 2;

enum ErrorNumber : std::uint32_t { ok = 0, eio = 5, einval = 22, enospc = 28, eoverflow = 75 };

/// Of one read or write.
inline constexpr std::uint32_t largest_request = 32 * MiB;
inline constexpr std::uint32_t preferred_request = 4096;

}  // namespace mk::volumes::nbd

#pragma once
// Numbers of the NBD protocol (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md) that the server
// uses, and how they are written and read: big-endian. Internal to the NBD server.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace mk::volumes::nbd {

inline constexpr std::uint64_t magic = 0x4e42444d41474943;         // "NBDMAGIC"
inline constexpr std::uint64_t option_magic = 0x49484156454F5054;  // "IHAVEOPT"
inline constexpr std::uint64_t option_reply_magic = 0x3e889045565a9;
inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t reply_magic = 0x67446698;
inline constexpr std::uint32_t chunk_magic = 0x668e33ef;

inline constexpr std::uint16_t handshake_fixed_newstyle = 1;
inline constexpr std::uint16_t handshake_no_zeroes = 2;

enum Option : std::uint32_t {
    opt_export_name = 1,
    opt_abort = 2,
    opt_list = 3,
    opt_info = 6,
    opt_go = 7,
    opt_structured_reply = 8,
    opt_list_meta_context = 9,
    opt_set_meta_context = 10
};

inline constexpr std::uint32_t rep_ack = 1;
inline constexpr std::uint32_t rep_info = 3;
inline constexpr std::uint32_t rep_meta_context = 4;
inline constexpr std::uint32_t rep_err_unsup = 0x80000001;
inline constexpr std::uint32_t rep_err_invalid = 0x80000003;
inline constexpr std::uint32_t rep_err_unknown = 0x80000006;

inline constexpr std::uint16_t info_export = 0;
inline constexpr std::uint16_t info_description = 2;
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
    cmd_write_zeroes = 6,
    cmd_block_status = 7
};

inline constexpr std::uint16_t flag_fua = 1;
inline constexpr std::uint16_t flag_no_hole = 2;
inline constexpr std::uint16_t flag_one_extent = 8;

inline constexpr std::uint16_t chunk_done = 1;
inline constexpr std::uint16_t chunk_data = 1;
inline constexpr std::uint16_t chunk_block_status = 5;
inline constexpr std::uint16_t chunk_error = 0x8001;

inline constexpr std::string_view allocation_context = "base:allocation";
inline constexpr std::uint32_t allocation_context_id = 1;
inline constexpr std::uint32_t state_hole_and_zero = 3;

enum ErrorNumber : std::uint32_t { ok = 0, eio = 5, einval = 22, enospc = 28, eoverflow = 75 };

/// Of one read or write.
inline constexpr std::uint32_t largest_request = 32 * MiB;
/// The smallest request that needs no reading of what is around it.
inline constexpr std::uint32_t preferred_request = 4096;

/// Appends big-endian.
template <class Number>
void put_big(std::string& out, Number value) {
    for (int shift = static_cast<int>(sizeof(Number)) * 8 - 8; shift >= 0; shift -= 8) {
        out += static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff);
    }
}

/// Reads what a client sent; `failed` once something is missing.
struct Cursor {
    std::span<const std::byte> rest;
    bool failed = false;

    template <class Number>
    Number number() {
        std::uint64_t value = 0;
        for (const auto byte : take(sizeof(Number))) {
            value = value << 8 | static_cast<std::uint64_t>(byte);
        }
        return static_cast<Number>(value);
    }
    std::string text(std::size_t length) {
        const auto bytes = take(length);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

  private:
    std::span<const std::byte> take(std::size_t length) {
        if (rest.size() < length) {
            failed = true;
            return {};
        }
        const auto taken = rest.first(length);
        rest = rest.subspan(length);
        return taken;
    }
};

}  // namespace mk::volumes::nbd

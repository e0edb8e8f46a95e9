#pragma once
// What the NBD server adds to the numbers of the protocol (block/nbd_numbers.hpp), and how they are written and read:
// big-endian. Internal to the NBD server.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "block/nbd_numbers.hpp"

namespace mk::volumes::nbd {

using namespace block::nbd;

inline constexpr std::uint32_t chunk_magic = 0x668e33ef;

/// A flush on one connection covers the writes answered on all others, because they share one backend.
inline constexpr std::uint16_t transmission_flags =
    flag_has_flags | flag_send_flush | flag_send_fua | flag_send_trim | flag_send_write_zeroes | flag_can_multi_conn;

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
inline constexpr std::uint32_t largest_request = habitual_maximum;
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

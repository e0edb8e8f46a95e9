#pragma once
// Quantities of data. Everything is counted in bytes; GiB exist only at CloudStack's edge.

#include <cstdint>
#include <string>

namespace mk {

using Bytes = std::uint64_t;

inline constexpr Bytes KiB = 1024;
inline constexpr Bytes MiB = 1024 * KiB;
inline constexpr Bytes GiB = 1024 * MiB;

/// Whole GiB that hold `bytes`, rounded up; 0 for 0.
constexpr std::uint64_t gib_rounded_up(Bytes bytes) {
    return bytes / GiB + (bytes % GiB != 0 ? 1 : 0);
}

/// "18.4 GiB", "512 B": binary units, one decimal from KiB on.
std::string format_bytes(Bytes bytes);

/// A run of bytes on a disk: [offset, offset + length).
struct Range {
    Bytes offset = 0;
    Bytes length = 0;

    Bytes end() const { return offset + length; }
    bool operator==(const Range&) const = default;
};

}  // namespace mk

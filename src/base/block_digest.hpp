#pragma once
// Digests of disk content, the same on both sides of a copy (docs/data-plane.md, section 4).
//
//   leaf    XXH3-128 of the bytes between two multiples of leaf_size of the disk's offset (or of a part of them, at the
//           ends of a run and of the disk)
//   run     XXH3-128 over the digests of its leaves in order, 16 bytes each, big-endian (canonical form)
//   volume  SHA-256 over the digests of all its leaves in order, 64 hex digits: the evidence of a recovery point
//
// XXH3 finds every accident at the speed of memory; that nobody tampers on the way is what the tunnel is for. All pure;
// thread-safe.

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace mk {

inline constexpr Bytes leaf_size = 256 * KiB;

struct LeafDigest {
    std::array<std::byte, 16> bytes{};
    bool operator==(const LeafDigest&) const = default;
};

/// Of one leaf, or a part of one.
LeafDigest leaf_digest(std::span<const std::byte> data);
/// Of `length` zero bytes, at most leaf_size; the usual lengths are remembered.
LeafDigest zero_leaf_digest(Bytes length);
/// 32 lower-case hex digits over the leaves of a run, in order.
std::string run_digest(std::span<const LeafDigest> leaves);
/// 32 hex digits and back. Throws Error{invalid} for anything else.
std::string to_hex(const LeafDigest& digest);
LeafDigest leaf_digest_from_hex(std::string_view hex);
/// How many leaves the run meets, and the n-th of them.
std::size_t leaf_count(Range run);
Range leaf_of(Range run, std::size_t index);

/// For content that comes in order and in pieces of any length, without gaps: collects the leaf digests of one run.
class LeafDigester {
  public:
    explicit LeafDigester(Range run);
    ~LeafDigester();
    LeafDigester(LeafDigester&&) noexcept;
    LeafDigester& operator=(LeafDigester&&) noexcept;
    void add(std::span<const std::byte> data);
    void add_zeros(Bytes length);
    /// The leaves' digests; the whole run must have been added.
    std::vector<LeafDigest> finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mk

#pragma once
// Which bytes of a disk were written, and how: disjoint ranges, neighbours of the same kind merged. A range of data may
// carry the digest of its bytes; then it is kept as it is until something is written into it, and what remains of it
// has no digest (and stays apart from its neighbours). Not thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/block_digest.hpp"

namespace mk::volumes {

enum class Written : std::uint8_t { data = 1, zero = 2 };

struct WrittenRange {
    Range range;
    Written kind = Written::data;
    std::optional<LeafDigest> digest{};
    bool operator==(const WrittenRange&) const = default;
};

class RangeMap {
  public:
    /// The newest assignment wins. A length of 0 does nothing.
    void assign(Range range, Written kind, const std::optional<LeafDigest>& digest = std::nullopt);
    void assign(const RangeMap& newer);
    bool empty() const { return entries_.empty(); }
    std::vector<WrittenRange> ranges() const;
    Bytes data_bytes() const { return data_bytes_; }
    std::size_t digest_count() const { return digest_count_; }
    /// Calls `visit` for every piece of `range` in order: written pieces with their kind, the others with nullptr.
    void walk(Range range, const std::function<void(Range, const Written*)>& visit) const;

  private:
    struct Entry {
        Bytes end;
        Written kind;
        std::optional<LeafDigest> digest;
    };
    using Entries = std::map<Bytes, Entry>;
    void cut_out(Range range);
    void add(Bytes start, Entry entry);
    Entries::iterator take(Entries::iterator entry);
    void merge_with_neighbours(Entries::iterator added);

    Entries entries_;
    Bytes data_bytes_ = 0;
    std::size_t digest_count_ = 0;
};

}  // namespace mk::volumes

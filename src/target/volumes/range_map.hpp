#pragma once
// Which bytes of a disk were written, and how: disjoint ranges, neighbours of the same kind merged. Not thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/bytes.hpp"

namespace mk::volumes {

enum class Written : std::uint8_t { data = 1, zero = 2 };

struct WrittenRange {
    Range range;
    Written kind = Written::data;
    bool operator==(const WrittenRange&) const = default;
};

class RangeMap {
  public:
    /// The newest assignment wins. A length of 0 does nothing.
    void assign(Range range, Written kind);
    void assign(const RangeMap& newer);
    void clear() { entries_.clear(); }
    bool empty() const { return entries_.empty(); }
    std::vector<WrittenRange> ranges() const;
    /// Calls `visit` for every piece of `range` in order: written pieces with their kind, the others with nullptr.
    void walk(Range range, const std::function<void(Range, const Written*)>& visit) const;

  private:
    struct Entry {
        Bytes end;
        Written kind;
    };
    void cut_out(Range range);

    std::map<Bytes, Entry> entries_;
};

}  // namespace mk::volumes

#include "target/volumes/range_map.hpp"

#include <algorithm>
#include <iterator>

namespace mk::volumes {

/// Removes what lies inside `range`, keeping the parts of entries that reach beyond it.
void RangeMap::cut_out(Range range) {
    auto entry = entries_.upper_bound(range.offset);
    if (entry != entries_.begin()) {
        --entry;
    }
    while (entry != entries_.end() && entry->first < range.end()) {
        const Bytes start = entry->first;
        const Entry old = entry->second;
        if (old.end <= range.offset) {
            ++entry;
            continue;
        }
        entry = entries_.erase(entry);
        if (start < range.offset) {
            entries_[start] = {range.offset, old.kind};
        }
        if (old.end > range.end()) {
            entry = entries_.insert_or_assign(range.end(), Entry{old.end, old.kind}).first;
            break;
        }
    }
}

void RangeMap::assign(Range range, Written kind) {
    if (range.length == 0) {
        return;
    }
    cut_out(range);
    auto added = entries_.insert_or_assign(range.offset, Entry{range.end(), kind}).first;
    if (const auto next = std::next(added);
        next != entries_.end() && next->first == added->second.end && next->second.kind == kind) {
        added->second.end = next->second.end;
        entries_.erase(next);
    }
    if (added != entries_.begin()) {
        const auto before = std::prev(added);
        if (before->second.end == added->first && before->second.kind == kind) {
            before->second.end = added->second.end;
            entries_.erase(added);
        }
    }
}

void RangeMap::assign(const RangeMap& newer) {
    for (const auto& [start, entry] : newer.entries_) {
        assign(Range{start, entry.end - start}, entry.kind);
    }
}

std::vector<WrittenRange> RangeMap::ranges() const {
    std::vector<WrittenRange> all;
    all.reserve(entries_.size());
    for (const auto& [start, entry] : entries_) {
        all.push_back({Range{start, entry.end - start}, entry.kind});
    }
    return all;
}

void RangeMap::walk(Range range, const std::function<void(Range, const Written*)>& visit) const {
    Bytes at = range.offset;
    auto entry = entries_.upper_bound(at);
    if (entry != entries_.begin() && std::prev(entry)->second.end > at) {
        --entry;
    }
    while (at < range.end()) {
        if (entry == entries_.end() || entry->first >= range.end()) {
            visit(Range{at, range.end() - at}, nullptr);
            return;
        }
        if (entry->first > at) {
            visit(Range{at, entry->first - at}, nullptr);
            at = entry->first;
        }
        const Bytes end = std::min(entry->second.end, range.end());
        visit(Range{at, end - at}, &entry->second.kind);
        at = end;
        ++entry;
    }
}

}  // namespace mk::volumes

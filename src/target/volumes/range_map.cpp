#include "target/volumes/range_map.hpp"

#include <algorithm>
#include <iterator>

namespace mk::volumes {

void RangeMap::add(Bytes start, Entry entry) {
    data_bytes_ += entry.kind == Written::data ? entry.end - start : 0;
    digest_count_ += entry.digest ? 1 : 0;
    entries_.insert_or_assign(start, std::move(entry));
}

/// Removes it; returns the next.
RangeMap::Entries::iterator RangeMap::take(Entries::iterator entry) {
    data_bytes_ -= entry->second.kind == Written::data ? entry->second.end - entry->first : 0;
    digest_count_ -= entry->second.digest ? 1 : 0;
    return entries_.erase(entry);
}

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
        entry = take(entry);
        if (start < range.offset) {
            add(start, {range.offset, old.kind, std::nullopt});
        }
        if (old.end > range.end()) {
            add(range.end(), {old.end, old.kind, std::nullopt});
            break;
        }
    }
}

void RangeMap::assign(Range range, Written kind, const std::optional<LeafDigest>& digest) {
    if (range.length == 0) {
        return;
    }
    cut_out(range);
    add(range.offset, {range.end(), kind, digest});
    if (!digest) {
        merge_with_neighbours(entries_.find(range.offset));
    }
}

void RangeMap::merge_with_neighbours(Entries::iterator added) {
    const auto fits = [](const Entry& a, const Entry& b) { return a.kind == b.kind && !a.digest && !b.digest; };
    const auto next = std::next(added);
    if (next != entries_.end() && next->first == added->second.end && fits(added->second, next->second)) {
        added->second.end = next->second.end;
        entries_.erase(next);
    }
    if (added != entries_.begin()) {
        const auto before = std::prev(added);
        if (before->second.end == added->first && fits(before->second, added->second)) {
            before->second.end = added->second.end;
            entries_.erase(added);
        }
    }
}

void RangeMap::assign(const RangeMap& newer) {
    for (const auto& [start, entry] : newer.entries_) {
        assign(Range{start, entry.end - start}, entry.kind, entry.digest);
    }
}

std::vector<WrittenRange> RangeMap::ranges() const {
    std::vector<WrittenRange> all;
    all.reserve(entries_.size());
    for (const auto& [start, entry] : entries_) {
        all.push_back({Range{start, entry.end - start}, entry.kind, entry.digest});
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

#include "engine/held_batches.hpp"

#include <algorithm>
#include <span>

namespace mk::engine {

void HeldBatches::add(std::unique_ptr<Batch> batch) {
    walking_.push_back(batch.get());
    held_.push_back(std::move(batch));
}

void HeldBatches::reopen(Range lost, std::vector<Redo>& redo) {
    for (const std::unique_ptr<Batch>& batch : held_) {
        const std::vector<Unit>& units = batch->units;
        auto unit = std::partition_point(units.begin(), units.end(),
                                         [&](const Unit& each) { return each.range.end() <= lost.offset; });
        for (; unit != units.end() && unit->range.offset < lost.end(); ++unit) {
            const Bytes last = std::min(lost.end(), unit->range.end());
            for (Bytes at = std::max(lost.offset, unit->range.offset); at < last;) {
                const Bytes end = unit->is_read() ? std::min(last, (at / leaf_size + 1) * leaf_size) : last;
                redo.push_back({batch.get(), static_cast<std::uint32_t>(unit - units.begin()), {at, end - at}});
                ++batch->open;
                at = end;
            }
        }
    }
}

void HeldBatches::rewind() {
    walking_.clear();
    for (const std::unique_ptr<Batch>& batch : held_) {
        batch->rewind();
        walking_.push_back(batch.get());
    }
}

std::vector<std::unique_ptr<Batch>> HeldBatches::take_complete() {
    std::vector<std::unique_ptr<Batch>> complete;
    std::vector<std::unique_ptr<Batch>> rest;
    for (std::unique_ptr<Batch>& batch : held_) {
        (batch->is_complete() ? complete : rest).push_back(std::move(batch));
    }
    held_ = std::move(rest);
    return complete;
}

RunDigest digest_of(const Batch& batch, const Unit& unit) {
    if (unit.is_read()) {
        const std::span<const LeafDigest> leaves(batch.leaves);
        return {unit.range, leaf_digest_from_hex(run_digest(leaves.subspan(unit.first_leaf, leaf_count(unit.range))))};
    }
    std::vector<LeafDigest> leaves;
    for (std::size_t i = 0; i < leaf_count(unit.range); ++i) {
        leaves.push_back(zero_leaf_digest(leaf_of(unit.range, i).length));
    }
    return {unit.range, leaf_digest_from_hex(run_digest(leaves))};
}

}  // namespace mk::engine

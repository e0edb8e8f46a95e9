#include "control/reconcile/comparison.hpp"

#include <algorithm>

namespace mk::reconcile {

namespace {

bool has_key_of(const std::vector<Observation>& list, const Observation& wanted) {
    return std::any_of(list.begin(), list.end(), [&](const Observation& one) { return one.key() == wanted.key(); });
}

}  // namespace

std::vector<Observation> compare(const Records& records, const Reality& reality) {
    const RecordIndex index(records);
    std::vector<Observation> found;
    if (reality.target) {
        compare_machines(index, *reality.target, found);
        compare_volumes(index, *reality.target, found);
        compare_snapshots(index, *reality.target, found);
        compare_entries(index, *reality.target, found);
    }
    compare_sources(index, reality, found);
    // Two entries of the ledger may mean one object.
    std::vector<Observation> distinct;
    for (auto& one : found) {
        if (!has_key_of(distinct, one)) {
            distinct.push_back(std::move(one));
        }
    }
    return distinct;
}

std::vector<Observation> agreed(const std::vector<Observation>& before, const std::vector<Observation>& after) {
    std::vector<Observation> both;
    std::copy_if(after.begin(), after.end(), std::back_inserter(both),
                 [&](const Observation& one) { return has_key_of(before, one); });
    return both;
}

}  // namespace mk::reconcile

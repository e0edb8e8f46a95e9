#pragma once
// What is recorded against what exists. Pure: the rules of docs/failover.md section 8, and nothing else.
//
// Objects of a machine whose job has not ended are left out. Where a site did not answer nothing is said about it.
// An object is ours when it is recorded, or carries our tag (CloudStack) or our mark (vCenter); a name alone never
// makes it more than something to look at.

#include <vector>

#include "control/reconcile/finding.hpp"
#include "control/reconcile/record_index.hpp"
#include "control/reconcile/records.hpp"

namespace mk::reconcile {

std::vector<Observation> compare(const Records& records, const Reality& reality);

/// What both say. With the records of before and after a look at reality: what was made, recorded or removed meanwhile
/// is in one of them at most.
std::vector<Observation> agreed(const std::vector<Observation>& before, const std::vector<Observation>& after);

// The parts of compare(), one per class of objects.
void compare_machines(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found);
void compare_volumes(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found);
void compare_snapshots(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found);
/// Open entries of the ledger that no row stands for.
void compare_entries(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found);
void compare_sources(const RecordIndex& index, const Reality& reality, std::vector<Observation>& found);

}  // namespace mk::reconcile

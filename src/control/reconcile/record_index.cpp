#include "control/reconcile/record_index.hpp"

#include <algorithm>
#include <array>

namespace mk::reconcile {

namespace {

constexpr std::array<std::string_view, 2> snapshot_prefixes{"test-failover-", "live-failover-"};
constexpr std::string_view context_prefix = "ctx-";

template <class List, class Matches>
auto find_in(const List& list, Matches matches) -> const typename List::value_type* {
    const auto found = std::find_if(list.begin(), list.end(), matches);
    return found == list.end() ? nullptr : &*found;
}

/// What follows the prefix of a snapshot of ours; empty for other names.
std::string_view after_prefix(std::string_view name) {
    for (const auto prefix : snapshot_prefixes) {
        if (name.starts_with(prefix)) {
            return name.substr(prefix.size());
        }
    }
    return {};
}

}  // namespace

const machines::Machine* RecordIndex::machine(const VmContextId& vm) const {
    return find_in(records_.machines, [&](const auto& machine) { return machine.id == vm; });
}

const RecordedVolume* RecordIndex::volume(const VolumeId& id) const {
    return find_in(records_.volumes, [&](const auto& row) { return row.id == id; });
}

const RecordedVolume* RecordIndex::volume_with_snapshot(const CloudSnapshot& snapshot) const {
    return find_in(records_.volumes, [&](const auto& row) {
        return row.snapshot_id == snapshot.id ||
               (row.snapshot_id.empty() && row.id == snapshot.volume_id && row.snapshot_name == snapshot.name);
    });
}

const RecordedClone* RecordIndex::clone(const VolumeId& id) const {
    return find_in(records_.clones, [&](const auto& row) { return row.id == id; });
}

const RecordedFailover* RecordIndex::failover_of(const VmContextId& vm) const {
    return find_in(records_.failovers, [&](const auto& failover) { return failover.vm == vm; });
}

const RecordedFailover* RecordIndex::failover_to(const CloudMachineId& machine) const {
    return find_in(records_.failovers, [&](const auto& failover) { return failover.machine == machine; });
}

const ledger::Entry* RecordIndex::entry(std::string_view kind, const std::string& object_id) const {
    return find_in(records_.entries,
                   [&](const auto& entry) { return entry.kind == kind && entry.object_id == object_id; });
}

const ledger::Entry* RecordIndex::entry_without_id(std::string_view kind, const std::string& name) const {
    return find_in(records_.entries, [&](const auto& entry) {
        return entry.kind == kind && entry.object_id.empty() && entry.name == name;
    });
}

bool RecordIndex::is_handed_over(const std::string& object_id) const {
    return find_in(records_.handed_over, [&](const auto& entry) { return entry.object_id == object_id; }) != nullptr;
}

bool RecordIndex::has_clones(const VmContextId& vm) const {
    return find_in(records_.clones, [&](const auto& clone) { return clone.vm == vm; }) != nullptr;
}

bool RecordIndex::is_committed(const VmContextId& vm) const {
    const auto* found = machine(vm);
    return found != nullptr && found->status == MachineStatus::committed;
}

bool RecordIndex::is_failed_over(const VmContextId& vm) const {
    const auto* found = machine(vm);
    if (found == nullptr) {
        return false;
    }
    switch (found->status) {
        case MachineStatus::failing_over_test:
        case MachineStatus::failed_over_test:
        case MachineStatus::rolling_back:
        case MachineStatus::failing_over_live:
        case MachineStatus::failed_over_live:
        case MachineStatus::cleanup_required:
            return true;
        case MachineStatus::discovered:
        case MachineStatus::initial_sync:
        case MachineStatus::replicating:
        case MachineStatus::ready_for_failover:
        case MachineStatus::failed:
        case MachineStatus::committed:
            return false;
    }
    return true;  // a state of which nothing is known protects
}

bool RecordIndex::knows(const VmContextId& vm) const {
    return machine(vm) != nullptr || records_.known_contexts.contains(vm);
}

std::optional<VmContextId> RecordIndex::context_in(const std::string& snapshot_name) const {
    const auto rest = after_prefix(snapshot_name);
    std::optional<VmContextId> found;
    for (const auto& context : records_.known_contexts) {
        // The longest: one id may begin with another one.
        if (!context.empty() && rest.starts_with(context.value + "-") &&
            (!found || context.value.size() > found->value.size())) {
            found = context;
        }
    }
    return found;
}

bool is_named_like_our_snapshot(const std::string& name) {
    return after_prefix(name).starts_with(context_prefix);
}

}  // namespace mk::reconcile

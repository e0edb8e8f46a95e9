#include "source/vsphere/snapshots.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/retry.hpp"
#include "source/vsphere/property_reader.hpp"
#include "source/vsphere/requests.hpp"
#include "source/vsphere/tasks.hpp"

namespace mk::vsphere {
namespace {

// How often the flag is looked at before we consolidate ourselves; and how often we do that.
constexpr int consolidation_looks = 5;
constexpr int consolidation_attempts = 3;
// Unknown outcomes and vanished tasks in a row before a creation is given up (with an error, and the tree says "not
// there").
constexpr int creation_attempts = 5;

const SnapshotEntry* find_by_name(const std::vector<SnapshotEntry>& tree, const std::string& name) {
    const auto found =
        std::find_if(tree.begin(), tree.end(), [&](const SnapshotEntry& entry) { return entry.name == name; });
    return found == tree.end() ? nullptr : &*found;
}

bool has(const std::vector<SnapshotEntry>& tree, const Moref& snapshot) {
    return std::any_of(tree.begin(), tree.end(),
                       [&](const SnapshotEntry& entry) { return entry.reference.id == snapshot.id; });
}

/// True when the call may have been carried out although we got no answer, or when the session was renewed instead.
bool is_outcome_unknown(const Error& error) {
    return handling_of(error) == FaultHandling::log_in_again ||
           (error.retryable() && rule_for(error.native()).type.empty());
}

/// Not a host that was away for a moment, which waiting would cure: the guest does not become quiet.
Error quiesce_timed_out(const Error& error) {
    return Error(
               ErrorCode::conflict, error.cause(),
               {.remedy = "Repair VMware Tools in the guest, or allow crash-consistent snapshots.", .retry_safe = true})
        .with_native("QuiesceTimedout");
}

/// One request and its task. Returns when it ended well or when nobody knows; the tree decides.
void try_create(Session& session, const Moref& vm, const SnapshotRequest& request, const std::stop_token& stop) {
    const std::string operation = "creating the snapshot '" + request.name + "'";
    Moref task;
    try {
        task = session
                   .call({operation, requests::create_snapshot(vm, request.name, request.description, request.quiesce),
                          false},
                         stop)
                   .result()
                   .reference();
    } catch (const Error& error) {
        if (!is_outcome_unknown(error)) {
            throw;
        }
        log::info("vm={} {}; looking whether it was carried out", vm.id, error.cause());
        wait_for_running_tasks(session, vm, stop);
        return;
    }
    try {
        static_cast<void>(wait_for_task(session, task, operation, stop));
    } catch (const Error& error) {
        if (request.quiesce && error.native() == "Timedout") {
            throw quiesce_timed_out(error);
        }
        throw;
    }
}

SnapshotEntry create_and_verify(Session& session, const Moref& vm, const SnapshotRequest& request,
                                const std::stop_token& stop) {
    for (int attempt = 0; attempt < creation_attempts; ++attempt) {
        retry_while_busy(session, vm, "creating a snapshot", stop, [&] {
            // A refused attempt may follow one that was carried out without an answer: never create a second.
            if (find_by_name(list_snapshots(session, vm, stop), request.name) == nullptr) {
                try_create(session, vm, request, stop);
            }
        });
        const auto tree = list_snapshots(session, vm, stop);
        if (const auto* found = find_by_name(tree, request.name)) {
            return *found;
        }
    }
    throw Error(
        ErrorCode::external, "the snapshot '" + request.name + "' was ordered but does not appear on the machine",
        {.consequence = "Nothing was read.", .remedy = "Look at the machine's tasks in vCenter.", .retry_safe = true});
}

/// After a stop or failure in the middle: whatever still came under our name must not stay.
void remove_debris(Session& session, const Moref& vm, const std::string& name) noexcept {
    try {
        wait_for_running_tasks(session, vm, {});
        const auto tree = list_snapshots(session, vm, {});
        if (const auto* found = find_by_name(tree, name)) {
            remove_snapshot(session, vm, found->reference, {});
        }
    } catch (const std::exception& problem) {
        log::error("vm={} the snapshot '{}' may have been left behind: {}", vm.id, name, problem.what());
    }
}

bool needs_consolidation(Session& session, const Moref& vm, const std::stop_token& stop) {
    return read_object(session, vm, {"runtime.consolidationNeeded"}, stop).get("runtime.consolidationNeeded").flag();
}

}  // namespace

std::vector<SnapshotEntry> list_snapshots(Session& session, const Moref& vm, const std::stop_token& stop) {
    return read_snapshot_tree(read_object(session, vm, {"snapshot"}, stop).get("snapshot"));
}

SnapshotEntry create_snapshot(Session& session, const Moref& vm, const SnapshotRequest& request,
                              const std::stop_token& stop) {
    try {
        return create_and_verify(session, vm, request, stop);
    } catch (const Error&) {
        remove_debris(session, vm, request.name);
        throw;
    }
}

void remove_snapshot(Session& session, const Moref& vm, const Moref& snapshot, const std::stop_token& stop) {
    const std::string operation = "removing the snapshot " + snapshot.id;
    retry_while_busy(session, vm, operation, stop, [&] {
        if (!has(list_snapshots(session, vm, stop), snapshot)) {
            return;
        }
        try {
            // Repeating it can do no harm: the second answer is "not found".
            const auto task = session.call({operation, requests::remove_snapshot(snapshot)}, stop).result().reference();
            static_cast<void>(wait_for_task(session, task, operation, stop));
        } catch (const Error& error) {
            if (error.code() != ErrorCode::not_found) {
                throw;
            }
        }
        if (has(list_snapshots(session, vm, stop), snapshot)) {
            throw Error(ErrorCode::unavailable, operation + ": it is still in the machine's snapshot tree",
                        {.remedy = "Remove it in vCenter if it does not go by itself.", .retry_safe = true});
        }
    });
    wait_consolidated(session, vm, stop);
}

void wait_consolidated(Session& session, const Moref& vm, const std::stop_token& stop) {
    const auto poll = session.pacing().consolidation_poll;
    for (int attempt = 0; attempt <= consolidation_attempts; ++attempt) {
        for (int look = 0; look < consolidation_looks; ++look) {
            if (!needs_consolidation(session, vm, stop)) {
                return;
            }
            if (!pause(poll, stop)) {
                throw Error(ErrorCode::cancelled, "waiting for the consolidation was stopped");
            }
        }
        if (attempt < consolidation_attempts) {
            static_cast<void>(run_task(session, vm, "consolidating the disks", requests::consolidate_disks(vm), stop));
        }
    }
    throw Error(ErrorCode::conflict, "the machine's disks still need consolidation",
                {.consequence = "No new snapshot is taken: it could be read wrongly.",
                 .remedy = "Consolidate the machine's disks in vCenter, then repeat.",
                 .retry_safe = true})
        .with_native("ConsolidationNeeded");
}

}  // namespace mk::vsphere

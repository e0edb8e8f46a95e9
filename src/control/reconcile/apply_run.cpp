#include "control/reconcile/apply_run.hpp"

#include <algorithm>
#include <array>

namespace mk::reconcile {

namespace {

constexpr const char* act_step = "object-removal";
constexpr const char* verify_step = "absence-check";

constexpr std::array<std::pair<std::string_view, const char*>, 6> ledger_kinds{
    {{object_machine, "machine"},
     {object_volume, "volume"},
     {object_clone, "volume_clone"},
     {object_root, "default_root"},
     {object_snapshot, "volume_snapshot"},
     {object_source_snapshot, "vsphere_snapshot"}}};

std::string ledger_kind_of(const std::string& object_kind) {
    const auto found = std::find_if(ledger_kinds.begin(), ledger_kinds.end(),
                                    [&](const auto& one) { return one.first == object_kind; });
    return found == ledger_kinds.end() ? object_kind : found->second;
}

/// What follows `prefix` in an id of ours ("ledger/...", "row/...", "volume/..."); empty for the ids of a site.
std::string after(std::string_view prefix, const std::string& object_id) {
    return object_id.starts_with(prefix) ? object_id.substr(prefix.size()) : std::string{};
}

}  // namespace

std::vector<joblog::StepPlan> apply_steps(const Observation& what) {
    const bool is_removal = what.action == Action::remove;
    return {{act_step, is_removal ? "Remove the object" : "Forget the record", 3},
            {verify_step, is_removal ? "See that it is gone" : "See that nothing is recorded", 1}};
}

bool gives_up_copy(const Observation& what) {
    return what.kind == Kind::missing && what.object_kind == object_volume && what.action == Action::forget;
}

void ApplyRun::run(const std::stop_token& stop) {
    use_.job_log.run_step(job_, act_step, [&](joblog::StepContext& step) { act(step, stop); });
    use_.job_log.run_step(job_, verify_step, [&](joblog::StepContext& step) { verify(step, stop); });
}

void ApplyRun::act(joblog::StepContext& step, const std::stop_token& stop) {
    const auto look = lookout_.look_at(what_, job_, stop);
    const auto now = std::find_if(look.seen.begin(), look.seen.end(),
                                  [&](const Observation& one) { return one.key() == what_.key(); });
    if (now == look.seen.end()) {
        if (what_.action == Action::remove && exists(look)) {
            throw Error(ErrorCode::conflict, what_.object_name + " (" + what_.object_id + ") is needed again",
                        {.consequence = "Nothing was removed.",
                         .remedy = "Look again: migratekit volume reconcile --run",
                         .retry_safe = true});
        }
        step.detail("it is gone already");
        return;
    }
    const bool has_changed = now->action != what_.action || (now->holds_data && !what_.holds_data);
    if (has_changed) {
        throw Error(ErrorCode::conflict, what_.object_name + " is not as it was found: " + now->detail,
                    {.consequence = "Nothing was removed.",
                     .remedy = "Look again: migratekit volume reconcile --run",
                     .retry_safe = true});
    }
    step.info(std::string(to_string(what_.action)) + " " + what_.object_kind + " " + what_.object_name + " (" +
              what_.object_id + "): " + now->detail);
    what_.action == Action::remove ? remove(step, stop) : forget(stop);
}

/// Seen where it was, whatever is thought of it.
bool ApplyRun::exists(const Look& look) const {
    const auto has = [&](const auto& list) {
        return std::any_of(list.begin(), list.end(), [&](const auto& one) { return one.id.value == what_.object_id; });
    };
    if (what_.site == ledger::Site::source) {
        const auto moref = source_reference_from(what_.object_id).snapshot_moref;
        return std::any_of(look.reality.sources.begin(), look.reality.sources.end(), [&](const SourceView& source) {
            return std::any_of(source.snapshots.begin(), source.snapshots.end(),
                               [&](const auto& snapshot) { return snapshot.moref == moref; });
        });
    }
    const auto& view = *look.reality.target;
    if (what_.object_kind == object_machine) {
        return std::any_of(view.machines.begin(), view.machines.end(), [&](const CloudMachine& one) {
            return one.id.value == what_.object_id && one.state != "Destroyed";
        });
    }
    return what_.object_kind == object_snapshot ? has(view.snapshots) : has(view.volumes);
}

bool ApplyRun::is_left(const Look& look) const {
    const bool is_still_found = std::any_of(look.seen.begin(), look.seen.end(),
                                            [&](const Observation& one) { return one.key() == what_.key(); });
    return is_still_found || (what_.action == Action::remove && exists(look));
}

/// What is removed is in the ledger, also when nobody knew of it: it closes when the absence was seen.
void ApplyRun::note_in_ledger() {
    const auto kind = ledger_kind_of(what_.object_kind);
    const auto open = use_.ledger.open_entries();
    // An entry of that name may mean another object: it stays as it is.
    if (std::none_of(open.begin(), open.end(), [&](const ledger::Entry& entry) {
            return entry.kind == kind && (is_entry(entry) || entry.name == what_.object_name);
        })) {
        use_.ledger.confirm(use_.ledger.intend(what_.site, kind, what_.object_name, what_.vm, job_), what_.object_id);
    }
}

void ApplyRun::remove(joblog::StepContext& step, const std::stop_token& stop) {
    note_in_ledger();
    if (what_.object_kind == object_machine) {
        if (!use_.removal.remove_machine(CloudMachineId{what_.object_id}, stop)) {
            step.finish_with_warning(what_.object_name +
                                     " is destroyed; this account may not expunge it, so CloudStack removes it later");
        }
    } else if (what_.object_kind == object_volume) {
        use_.removal.remove_volume(VolumeId{what_.object_id}, stop);
    } else if (what_.object_kind == object_clone) {
        use_.removal.remove_clone(VolumeId{what_.object_id}, stop);
    } else if (what_.object_kind == object_snapshot) {
        remove_snapshot_of(what_.object_id, stop);
    } else if (what_.object_kind == object_root) {
        for (const auto& entry : use_.ledger.open_entries()) {
            if (is_entry(entry)) {
                use_.removal.discard_default_root(CloudMachineId{entry.name}, stop);
            }
        }
    } else if (what_.object_kind == object_source_snapshot) {
        const auto reference = source_reference_from(what_.object_id);
        use_.source.remove_snapshot({.vcenter = lookout_.access_to(reference.vcenter_uuid),
                                     .moref = reference.machine_moref,
                                     .snapshot_moref = reference.snapshot_moref},
                                    stop);
    } else {
        throw Error(ErrorCode::internal, "nobody knows how to remove a " + what_.object_kind);
    }
}

void ApplyRun::remove_snapshot_of(const std::string& object_id, const std::stop_token& stop) {
    const auto recorded = RecordReader({use_.database, use_.job_log, use_.ledger, use_.machines}).read(job_).volumes;
    for (const auto& row : recorded) {
        if (row.snapshot_id.value == object_id || row.id.value == after("volume/", object_id) ||
            (row.snapshot_id.empty() && row.snapshot_name == what_.object_name)) {
            use_.removal.remove_snapshot(row.id, stop);
        }
    }
}

void ApplyRun::forget(const std::stop_token& stop) {
    if (what_.object_kind == object_snapshot) {
        remove_snapshot_of(what_.object_id, stop);
    } else if (what_.object_kind == object_clone) {
        const auto row = after("row/", what_.object_id);
        row.empty() ? use_.removal.remove_clone(VolumeId{what_.object_id}, stop) : findings_.forget_unmade_clone(row);
    } else if (what_.object_kind == object_volume && after("ledger/", what_.object_id).empty()) {
        // First: an increment on a volume that is made anew would be no copy of anything.
        use_.recovery_points.forget_all(what_.vm);
        remove_snapshot_of("volume/" + what_.object_id, stop);
        use_.removal.remove_volume(VolumeId{what_.object_id}, stop);
    }
    close_entries();
}

bool ApplyRun::is_entry(const ledger::Entry& entry) const {
    if (entry.site != what_.site || entry.kind != ledger_kind_of(what_.object_kind)) {
        return false;
    }
    if (entry.id == after("ledger/", what_.object_id) ||
        entry.id == source_reference_from(what_.object_id).snapshot_moref) {
        return true;
    }
    // A default root is known by the id of its machine.
    const bool is_by_name = entry.object_id.empty() && entry.kind != "default_root" && entry.name == what_.object_name;
    return is_by_name || (!entry.object_id.empty() && entry.object_id == what_.object_id);
}

void ApplyRun::close_entries() {
    for (const auto& entry : use_.ledger.open_entries()) {
        if (is_entry(entry)) {
            use_.ledger.gone(entry.id);
        }
    }
}

void ApplyRun::verify(joblog::StepContext& step, const std::stop_token& stop) {
    if (is_left(lookout_.look_at(what_, job_, stop))) {
        throw Error(ErrorCode::external, what_.object_name + " (" + what_.object_id + ") is still there",
                    {.consequence = "It stays listed.",
                     .remedy = "Look again: migratekit volume reconcile --run",
                     .retry_safe = true});
    }
    close_entries();
    findings_.remove(what_);
    step.detail(what_.object_name + " is accounted for");
}

}  // namespace mk::reconcile

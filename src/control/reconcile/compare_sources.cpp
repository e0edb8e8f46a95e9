// Snapshots in vCenters.

#include <algorithm>

#include "control/reconcile/comparison.hpp"

namespace mk::reconcile {

namespace {

/// Where the vCenter of an entry is not known any more: it was looked for in all of them.
constexpr const char* any_vcenter = "any";

class SourceComparison {
  public:
    SourceComparison(const RecordIndex& index, const Reality& reality, std::vector<Observation>& found)
        : index_(index), reality_(reality), found_(found) {}

    void run() {
        for (const auto& source : reality_.sources) {
            for (const auto& snapshot : source.snapshots) {
                judge(source.vcenter_uuid, snapshot);
            }
        }
        for (const auto& entry : index_.all().entries) {
            if (entry.site == ledger::Site::source && entry.kind == "vsphere_snapshot") {
                look_for(entry);
            }
        }
    }

  private:
    const machines::Machine* machine_of(const std::string& vcenter, const contracts::SourceSnapshot& snapshot) const {
        const auto& all = index_.all().machines;
        const auto found = std::find_if(all.begin(), all.end(), [&](const machines::Machine& machine) {
            return machine.source.vcenter_uuid == vcenter && machine.source.instance_uuid == snapshot.instance_uuid;
        });
        return found == all.end() ? nullptr : &*found;
    }

    void judge(const std::string& vcenter, const contracts::SourceSnapshot& snapshot) {
        const auto* machine = machine_of(vcenter, snapshot);
        const bool is_in_use =
            (machine != nullptr && index_.is_busy(machine->id)) || index_.all().open_jobs.contains(snapshot.job_id);
        if (is_in_use) {
            return;
        }
        Observation orphan{.kind = Kind::orphan,
                           .site = ledger::Site::source,
                           .object_kind = object_source_snapshot,
                           .object_id = object_id_of({vcenter, snapshot.machine_moref, snapshot.moref}),
                           .object_name = snapshot.name,
                           .vm = machine != nullptr ? machine->id : VmContextId{},
                           .action = Action::review,
                           .created = from_ms(snapshot.created_ms)};
        const auto place = " on " + snapshot.machine_name;
        if (snapshot.job_id.empty()) {
            orphan.detail = "it is named like ours" + place +
                            ", but does not carry our mark: it is somebody else's. "
                            "No sync of that machine can begin while it is there; remove it in vCenter";
        } else if (!index_.all().known_jobs.contains(snapshot.job_id)) {
            orphan.detail = "the job " + snapshot.job_id.value + " that made it" + place +
                            " is not of this installation. Remove it in vCenter when that one does not run any more";
        } else {
            orphan.detail = "the job " + snapshot.job_id.value + " that made it" + place + " is over";
            orphan.action = Action::remove;
        }
        found_.push_back(std::move(orphan));
    }

    bool was_asked(const std::string& vcenter) const {
        return std::any_of(reality_.sources.begin(), reality_.sources.end(),
                           [&](const SourceView& source) { return source.vcenter_uuid == vcenter; });
    }

    bool is_seen(const std::string& name) const {
        return std::any_of(reality_.sources.begin(), reality_.sources.end(), [&](const SourceView& source) {
            return std::any_of(source.snapshots.begin(), source.snapshots.end(), [&](const auto& snapshot) {
                return snapshot.name == name || snapshot.name.starts_with(name + "-");  // "-activate"
            });
        });
    }

    void look_for(const ledger::Entry& entry) {
        const auto* machine = index_.machine(entry.vm_context_id);
        const auto vcenter = machine != nullptr ? machine->source.vcenter_uuid : std::string(any_vcenter);
        const bool can_be_told =
            machine != nullptr ? was_asked(vcenter) : reality_.silent_vcenters.empty() && !reality_.sources.empty();
        if (!can_be_told || is_seen(entry.name) || index_.is_busy(entry.vm_context_id) ||
            index_.all().open_jobs.contains(entry.job_id)) {
            return;
        }
        found_.push_back({.kind = Kind::missing,
                          .site = ledger::Site::source,
                          .object_kind = object_source_snapshot,
                          .object_id = object_id_of({vcenter, "ledger", entry.id}),
                          .object_name = entry.name,
                          .vm = entry.vm_context_id,
                          .detail = "it is not in the vCenter any more",
                          .action = Action::forget});
    }

    const RecordIndex& index_;
    const Reality& reality_;
    std::vector<Observation>& found_;
};

}  // namespace

void compare_sources(const RecordIndex& index, const Reality& reality, std::vector<Observation>& found) {
    SourceComparison(index, reality, found).run();
}

}  // namespace mk::reconcile

#pragma once
// A machine whose copies are interrupted: by the engine, by the operator, by the death of the process.

#include "unit/control/control_plane.hpp"

namespace mk::test {

class InterruptedCopies : public ControlPlane {
  protected:
    const DiskId boot = disk_id_from_key(2000);
    const DiskId data = disk_id_from_key(2001);

    InterruptedCopies() { source.disks_per_look = 1; }

    /// The engine dies in the first attempts, each time when one more disk has arrived.
    void interrupt_attempts(int last) {
        source.edit = [last](contracts::PassProgress& p) {
            if (p.state == "running" && p.attempt <= last) {
                p.state = "interrupted";
            }
        };
    }
    void interrupt_all_attempts() {
        source.edit = [](contracts::PassProgress& p) {
            p.state = "interrupted";
            p.result.reset();
        };
    }
    /// A machine whose next point is to have the contents of a second version.
    VmContextId add_changed_machine() {
        const auto vm = add_replicated_machine();
        source.content[boot] = "boot v2";
        source.content[data] = "data v2";
        source.sent.clear();
        return vm;
    }
    /// A sync that the operator stops after the boot disk has arrived.
    JobId stop_after_boot_disk(const VmContextId& vm, const replication::PassOptions& options = {}) {
        source.edit = [this](contracts::PassProgress& p) {
            if (p.state == "running") {
                replication->cancel(p.job_id);
            }
        };
        const auto job = replication->start(vm, options, "test");
        EXPECT_EQ(outcome(job), JobStatus::cancelled);
        source.edit = {};
        EXPECT_EQ(source.sent, std::vector<DiskId>{boot});
        return job;
    }
    void expect_copied() {
        EXPECT_EQ(volumes.of_disk("disk-2000").content, source.content[boot]);
        EXPECT_EQ(volumes.of_disk("disk-2001").content, source.content[data]);
    }
};

}  // namespace mk::test

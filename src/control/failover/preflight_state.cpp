// Where the machine is in its life, and whether its source can be shut down.

#include "control/failover/preflight_checks.hpp"

namespace mk::failover {

void check_state(const Subject& subject, Checks& checks) {
    const auto& machine = subject.machine;
    const auto action = subject.request.live ? MachineAction::live_failover : MachineAction::test_failover;
    if (const auto refused = refusal(machine.status, action, {.has_recovery_point = subject.point.has_value()})) {
        checks.block("state", refused->reason, for_machine(*refused, subject.name()).remedy);
        return;
    }
    if (machine.current_job.empty()) {
        checks.note("state", "The machine is " + std::string(label(machine.status)) + " and no job of it runs");
        return;
    }
    const auto job = subject.use.job_log.find(machine.current_job);
    checks.block("job_running", "a job of the machine runs: " + (job ? job->operation : "unknown"),
                 "Wait for it: migratekit job wait " + machine.current_job.value);
}

void check_source_power(const Subject& subject, Checks& checks) {
    auto& use = subject.use;
    const auto& machine = subject.machine;
    const bool is_forced = subject.request.force_power_off;
    const auto state = use.power.power(
        {.vcenter = use.credentials.access(machine.credential_id), .moref = machine.source.moref, .action = "state"},
        subject.stop);
    if (state.power_state == "poweredOff") {
        checks.note("source_power", "The source is off already");
    } else if (state.power_state != "poweredOn" && !is_forced) {
        checks.block("source_not_running",
                     "the source is " + state.power_state + "; switching it off now discards its memory",
                     "Resume it and shut it down, or allow a hard power-off with --force-power-off.");
    } else if (!state.tools_running && !is_forced) {
        checks.block("tools_not_running", "VMware Tools do not run in the guest, so it cannot be shut down cleanly",
                     "Shut it down yourself, or allow a hard power-off with --force-power-off.");
    } else if (state.power_state != "poweredOn" || !state.tools_running) {
        checks.warn("hard_power_off",
                    "the source will be powered off hard, because its guest cannot be asked: what it has not written "
                    "to its disks is lost",
                    "Shut it down yourself before, if that can be done.");
    } else {
        checks.note("source_power", "The source runs, and its guest can be asked to shut down");
    }
}

}  // namespace mk::failover

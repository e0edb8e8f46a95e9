#include "control/failover/preflight.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace mk::failover {

namespace {

class Checks {
  public:
    explicit Checks(PreflightResult& result) : result_(result) {}

    void note(const std::string& code, const std::string& text) {
        result_.findings.push_back({Severity::note, code, text, {}});
    }
    void block(const std::string& code, const std::string& text, const std::string& remedy) {
        result_.findings.push_back({Severity::blocker, code, text, remedy});
    }
    void warn(const std::string& code, const std::string& text, const std::string& remedy) {
        result_.findings.push_back({Severity::warning, code, text, remedy});
    }
    /// A check that could not be made is a blocker: nothing is called ready that was not verified.
    void attempt(const std::string& code, const std::function<void()>& check) {
        try {
            check();
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            block(code, error.cause(), error.advice().remedy);
        }
    }

  private:
    PreflightResult& result_;
};

std::vector<std::string> chosen_networks(Collaborators& use, const machines::Machine& machine,
                                         const FailoverRequest& request) {
    if (!request.network_ids.empty()) {
        return request.network_ids;
    }
    const auto settings = use.cloudstack.require();
    std::vector<std::string> chosen;
    for (const auto& nic : machine.source.nics) {
        const auto mapping = use.networks.find(nic.network);
        const auto mapped = !mapping       ? std::string{}
                            : request.live ? mapping->live_network_id
                                           : mapping->test_network_id;
        const auto& fallback = request.live ? settings.network_id : settings.test_network_id;
        const auto network = mapped.empty() ? fallback : mapped;
        // CloudStack gives a machine one NIC per network.
        if (!network.empty() && std::find(chosen.begin(), chosen.end(), network) == chosen.end()) {
            chosen.push_back(network);
        }
    }
    if (chosen.empty()) {
        const auto& fallback = request.live ? settings.network_id : settings.test_network_id;
        if (!fallback.empty()) {
            chosen.push_back(fallback);
        }
    }
    return chosen;
}

void check_recovery_point(Collaborators& use, const machines::Machine& machine, Checks& checks) {
    const auto point = use.recovery_points.latest(machine.id);
    if (!point) {
        checks.block("no_recovery_point", machine.source.name + " has no recovery point yet",
                     "Replicate it first: migratekit sync start " + machine.source.name + " --wait");
    } else if (!point->applied) {
        checks.block("recovery_point_not_applied",
                     "the last recovery point is recorded but not fully on its volumes yet",
                     "Finish it with: migratekit sync start " + machine.source.name + " --wait");
    } else {
        checks.note("recovery_point", "Recovery point of " + to_iso8601(point->snapshot_time) + ", " +
                                          point->consistency + "-consistent, verified, " +
                                          std::to_string(point->disks.size()) + " disks");
    }
}

void check_volume(const machines::Machine& machine, const contracts::Volume& volume,
                  const std::optional<RecoveryPoint>& point, bool live, Checks& checks) {
    const auto& disk = volume.disk_id;
    const bool is_held = point && std::any_of(point->disks.begin(), point->disks.end(), [&](const auto& held) {
                             return held.disk_id == disk && held.volume_id == volume.volume_id;
                         });
    if (volume.state == "Absent") {
        checks.block("volume_missing", "the volume of " + disk.value + " does not exist in CloudStack any more",
                     "Remove the machine from management and add it again.");
    } else if (point && !is_held) {
        checks.block("disk_not_copied", disk.value + " is not part of the last recovery point",
                     "Copy it first: migratekit sync start " + machine.source.name + " --wait");
    } else if (volume.snapshot_status != "none") {
        checks.block("snapshot_left", "the volume of " + disk.value + " still has a snapshot of an earlier failover",
                     "Clean up first: migratekit cleanup run " + machine.source.name);
    } else if (volume.operation_mode == "failover") {
        checks.block("volume_in_use", "the volume of " + disk.value + " is attached to another machine",
                     "Detach it there, then try again.");
    } else if (volume.operation_mode != "oma" && !live) {
        checks.warn("volume_detached", "the volume of " + disk.value + " is not attached to the appliance", "");
    }
}

void check_volumes(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request, Checks& checks,
                   const std::stop_token& stop) {
    const auto volumes = use.volumes.volumes_of(machine.id, stop);
    const auto point = use.recovery_points.latest(machine.id);
    for (const auto& disk : use.machines.disks(machine.id)) {
        const auto found =
            std::find_if(volumes.begin(), volumes.end(), [&](const auto& v) { return v.disk_id == disk.disk_id; });
        if (found != volumes.end()) {
            check_volume(machine, *found, point, request.live, checks);
        } else {
            // Never skipped silently (DD 28).
            checks.block("volume_missing", disk.disk_id.value + " has no volume in CloudStack",
                         "Run a full sync: migratekit sync start " + machine.source.name + " --full --wait");
        }
    }
    checks.note("volumes", std::to_string(volumes.size()) + " volumes are there");
}

/// Known before the source is shut down, not after (DD 22).
void check_name(Collaborators& use, const machines::Machine& machine, bool live, Checks& checks,
                const std::stop_token& stop) {
    const auto name = destination_name(live, machine.source.name, use.clock.now());
    if (live && use.cloud.find_by_name(name, stop)) {
        checks.block("name_taken", "CloudStack has a machine named " + name + " already",
                     "Rename or remove that machine.");
    }
}

void check_source_power(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request,
                        Checks& checks, const std::stop_token& stop) {
    const auto state = use.power.power(
        {.vcenter = use.credentials.access(machine.credential_id), .moref = machine.source.moref, .action = "state"},
        stop);
    if (state.power_state == "poweredOff" || request.force_power_off) {
        return;
    }
    if (state.power_state != "poweredOn") {
        checks.block("source_not_running",
                     "the source is " + state.power_state + "; switching it off now discards its memory",
                     "Resume it and shut it down, or allow a hard power-off with --force-power-off.");
    } else if (!state.tools_running) {
        checks.block("tools_not_running", "VMware Tools do not run in the guest, so it cannot be shut down cleanly",
                     "Shut it down yourself, or allow a hard power-off with --force-power-off.");
    }
}

void check_networks(Collaborators& use, const std::vector<std::string>& wanted, Checks& checks,
                    const std::stop_token& stop) {
    if (wanted.empty()) {
        checks.block("unmapped_network", "no network is chosen for the machine",
                     "Map the source networks (migratekit network map) or name one with --network.");
        return;
    }
    const auto existing = use.cloud.network_ids(stop);
    for (const auto& network : wanted) {
        if (std::find(existing.begin(), existing.end(), network) == existing.end()) {
            checks.block("unknown_network", "CloudStack has no network " + network + " that this account may use",
                         "Choose one of: migratekit cloudstack discover");
        }
    }
}

}  // namespace

bool PreflightResult::passed() const {
    return std::none_of(findings.begin(), findings.end(),
                        [](const Finding& f) { return f.severity == Severity::blocker; });
}

PreflightResult preflight(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request,
                          const std::stop_token& stop) {
    PreflightResult result;
    Checks checks(result);
    check_recovery_point(use, machine, checks);
    checks.attempt("volume_daemon", [&] { check_volumes(use, machine, request, checks, stop); });
    checks.attempt("cloudstack", [&] {
        use.cloud.check(stop);
        result.network_ids = chosen_networks(use, machine, request);
        check_networks(use, result.network_ids, checks, stop);
    });
    checks.attempt("name", [&] { check_name(use, machine, request.live, checks, stop); });
    checks.attempt("guest_tools", [&] { use.guest.check(); });
    checks.attempt("probe", [&] { use.boot.check(request.probe); });
    if (request.probe.empty()) {
        checks.warn("no_probe", "without a probe nobody can prove that the machine booted",
                    "Name one, e.g. --probe http:80/ or --probe tcp:22");
    }
    if (request.live) {
        checks.attempt("source_power", [&] { check_source_power(use, machine, request, checks, stop); });
    }
    return result;
}

void require_passed(const PreflightResult& result, const std::string& machine_name) {
    for (const auto& finding : result.findings) {
        if (finding.severity == Severity::blocker) {
            throw Error(ErrorCode::conflict, machine_name + " cannot fail over: " + finding.text,
                        {.consequence = "Nothing was changed.", .remedy = finding.remedy, .retry_safe = true})
                .with_native(finding.code);
        }
    }
}

}  // namespace mk::failover

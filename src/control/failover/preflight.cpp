#include "control/failover/preflight.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "control/failover/preflight_checks.hpp"

namespace mk::failover {

void Checks::note(const std::string& code, const std::string& text) {
    findings_.push_back({Severity::note, code, text, {}});
}

void Checks::warn(const std::string& code, const std::string& text, const std::string& remedy) {
    findings_.push_back({Severity::warning, code, text, remedy});
}

void Checks::block(const std::string& code, const std::string& text, const std::string& remedy) {
    findings_.push_back({Severity::blocker, code, text, remedy});
}

bool Checks::attempt(const std::string& code, const std::function<void()>& check) {
    try {
        check();
        return true;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        block(code, error.cause(), error.advice().remedy);
        return false;
    }
}

namespace {

void check_cloud(const Subject& subject, PreflightResult& result, Checks& checks) {
    auto& use = subject.use;
    const bool is_there = checks.attempt("cloudstack", [&] {
        use.cloud.check(subject.stop);
        result.nics = nic_orders(use, subject.machine, subject.request);
        check_networks(subject, result.nics, checks);
    });
    std::transform(result.nics.begin(), result.nics.end(), std::back_inserter(result.network_ids),
                   [](const NicOrder& nic) { return nic.network_id; });
    checks.attempt("name", [&] { check_name(subject, checks); });
    if (is_there) {
        checks.attempt("capacity", [&] { check_capacity(subject, result.nics, checks); });
    }
}

}  // namespace

bool PreflightResult::passed() const {
    return std::none_of(findings.begin(), findings.end(),
                        [](const Finding& f) { return f.severity == Severity::blocker; });
}

PreflightResult preflight(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request,
                          const std::stop_token& stop, PreflightScope scope) {
    PreflightResult result;
    Checks checks(result.findings);
    Subject subject{.use = use, .machine = machine, .request = request, .scope = scope, .stop = stop};
    subject.point = use.recovery_points.latest(machine.id);
    subject.disks = use.machines.disks(machine.id);
    if (scope == PreflightScope::alone) {
        check_state(subject, checks);
    }
    check_recovery_point(subject, checks);
    const bool has_volumes = checks.attempt("volume_daemon", [&] { check_volumes(subject, checks); });
    if (request.live) {
        checks.attempt("source_power", [&] { check_source_power(subject, checks); });
    }
    if (request.live && has_volumes) {
        checks.attempt("staging", [&] { check_staging(subject, checks); });
    }
    check_cloud(subject, result, checks);
    check_boot_disk(subject, checks);
    if (checks.attempt("guest_tools", [&] { use.guest.check(); })) {
        check_guest(subject, checks);
    }
    check_probes(subject, checks);
    result.forecast = forecast(use, machine, request);
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

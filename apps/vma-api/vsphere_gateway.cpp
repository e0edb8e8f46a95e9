#include "vsphere_gateway.hpp"

#include "base/clock.hpp"
#include "base/error.hpp"
#include "engine/time_limit.hpp"

namespace mk {

namespace {

constexpr std::chrono::minutes readers_lifetime{1};

/// Runs `call` with a token that fires after the limit; its cancellation is then a time-out.
template <class Call>
auto within(std::chrono::milliseconds limit, const std::stop_token& stop, const char* what, Call call) {
    const engine::TimeLimit timer(limit, stop);
    try {
        return call(timer.token());
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled && timer.is_over()) {
            throw Error(ErrorCode::timeout, std::string(what) + " took longer than " + format_duration(limit),
                        {.remedy = "Look at the load of the vCenter, then try again.", .retry_safe = true});
        }
        throw;
    }
}

}  // namespace

vsphere::Access VsphereGateway::access_of(const contracts::VcenterAccess& access) const {
    vsphere::Access out;
    out.url = access.url;
    out.username = access.username;
    out.password = access.password;
    out.certificate_sha256 = access.certificate_sha256;
    out.readers = options_.readers;
    return out;
}

vma::Discovered VsphereGateway::discover(const contracts::VcenterAccess& access, const std::string& filter,
                                         const std::stop_token& stop) {
    return within(options_.limits.discovery, stop, "discovery", [&](const std::stop_token& token) {
        const auto vcenter = vsphere::Vcenter::connect(access_of(access), token);
        return vma::Discovered{.vcenter_uuid = vcenter->instance_uuid(),
                               .version = vcenter->version(),
                               .machines = vcenter->discover(filter, token)};
    });
}

contracts::PowerState VsphereGateway::power(const contracts::PowerRequest& request, const std::stop_token& stop) {
    return within(options_.limits.power, stop, "the power command", [&](const std::stop_token& token) {
        const auto vcenter = vsphere::Vcenter::connect(access_of(request.vcenter), token);
        if (request.action == "shutdown") {
            vcenter->shut_down_guest(request.moref, token);
        } else if (request.action == "power_off") {
            vcenter->power_off(request.moref, token);
        } else if (request.action == "power_on") {
            vcenter->power_on(request.moref, token);
        }
        const vsphere::PowerInfo info = vcenter->power(request.moref, token);
        return contracts::PowerState{.power_state = info.power_state, .tools_running = info.tools_running};
    });
}

vma::Swept VsphereGateway::sweep(const contracts::VcenterAccess& access, const std::string& moref,
                                 const std::stop_token& stop) {
    return within(options_.limits.sweep, stop, "removing snapshots", [&](const std::stop_token& token) {
        const auto vcenter = vsphere::Vcenter::connect(access_of(access), token);
        vsphere::SweepResult result = vcenter->sweep_snapshots(moref, options_.appliance_id, token);
        return vma::Swept{.removed = std::move(result.removed), .remaining = std::move(result.remaining)};
    });
}

vma::FoundSnapshots VsphereGateway::snapshots(const contracts::VcenterAccess& access, const std::stop_token& stop) {
    return within(options_.limits.discovery, stop, "looking for snapshots", [&](const std::stop_token& token) {
        const auto vcenter = vsphere::Vcenter::connect(access_of(access), token);
        vma::FoundSnapshots found{.vcenter_uuid = vcenter->instance_uuid(), .snapshots = {}};
        for (auto& snapshot : vcenter->find_snapshots(token)) {
            found.snapshots.push_back({.machine_moref = std::move(snapshot.machine_moref),
                                       .machine_name = std::move(snapshot.machine_name),
                                       .instance_uuid = std::move(snapshot.instance_uuid),
                                       .moref = std::move(snapshot.moref),
                                       .name = std::move(snapshot.name),
                                       .job_id = JobId{std::move(snapshot.job_id)},
                                       .appliance_id = std::move(snapshot.appliance_id),
                                       .created_ms = to_ms(snapshot.created)});
        }
        return found;
    });
}

void VsphereGateway::remove_snapshot(const contracts::SnapshotRemoval& removal, const std::stop_token& stop) {
    within(options_.limits.sweep, stop, "removing a snapshot", [&](const std::stop_token& token) {
        const auto vcenter = vsphere::Vcenter::connect(access_of(removal.vcenter), token);
        vcenter->remove_snapshot(removal.moref, removal.snapshot_moref, token);
    });
}

std::vector<std::string> VsphereGateway::readers() const {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (looked_at_ == std::chrono::steady_clock::time_point{} || now - looked_at_ > readers_lifetime) {
        readers_ = vsphere::available_readers(options_.readers);
        looked_at_ = now;
    }
    return readers_;
}

}  // namespace mk

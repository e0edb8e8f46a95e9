#include "target/volumes/placement.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/log.hpp"

namespace mk::volumes {
namespace {

Error refusal(ErrorCode code, std::string cause, std::string remedy) {
    return Error(code, std::move(cause),
                 {.consequence = "Nothing was changed.", .remedy = std::move(remedy), .retry_safe = true});
}

/// What `read` returns; nothing when this account may not read it (an unknown command is answered like a wrong key).
template <class Read>
auto readable(const char* what, Read&& read) -> std::optional<decltype(read())> {
    try {
        return read();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::unauthenticated && error.code() != ErrorCode::forbidden) {
            throw;
        }
        log::warn("{} cannot be checked beforehand: {}", what, error.cause());
        return std::nullopt;
    }
}

void require_custom_size(const std::vector<cloudstack::DiskOfferingInfo>& offerings, const std::string& id) {
    const auto offering = std::find_if(offerings.begin(), offerings.end(), [&](const auto& o) { return o.id == id; });
    if (offering == offerings.end()) {
        throw refusal(ErrorCode::conflict,
                      "the configured disk offering " + id + " does not exist in the zone any more",
                      "Choose another disk offering in the CloudStack settings.");
    }
    if (!offering->is_customized) {
        throw refusal(
            ErrorCode::conflict,
            fmt::format("the disk offering '{}' makes disks of {} GiB only", offering->name, offering->size_gib),
            "Choose a disk offering with custom size in the CloudStack settings.");
    }
}

void require_within(const cloudstack::Capabilities& limits, std::uint64_t size_gib) {
    if (limits.largest_custom_gib != 0 && size_gib > limits.largest_custom_gib) {
        throw refusal(ErrorCode::conflict,
                      fmt::format("the disk needs {} GiB, and CloudStack allows {} GiB at most", size_gib,
                                  limits.largest_custom_gib),
                      "Let the cloud's administrator raise custom.diskoffering.size.max (and "
                      "storage.max.volume.size), then repeat.");
    }
    if (size_gib < limits.smallest_custom_gib) {
        throw refusal(ErrorCode::conflict,
                      fmt::format("the disk needs {} GiB, and CloudStack makes none below {} GiB", size_gib,
                                  limits.smallest_custom_gib),
                      "Let the cloud's administrator lower custom.diskoffering.size.min, then repeat.");
    }
}

}  // namespace

void Placement::require_size(const std::string& zone_id, const std::string& disk_offering_id, std::uint64_t size_gib,
                             const std::stop_token& stop) const {
    if (const auto offerings =
            readable("the disk offering", [&] { return discovery_.disk_offerings(zone_id, stop); })) {
        require_custom_size(*offerings, disk_offering_id);
    }
    if (const auto limits = readable("the size limits", [&] { return discovery_.capabilities(stop); })) {
        require_within(*limits, size_gib);
    }
}

void Placement::require_no_vm_snapshots(const CloudMachineId& machine, const std::stop_token& stop) const {
    const auto names = readable("the VM snapshots", [&] { return machines_.vm_snapshots(machine, stop); });
    if (names && !names->empty()) {
        throw refusal(
            ErrorCode::conflict,
            fmt::format("the machine {} has VM snapshots ({}): CloudStack attaches and detaches nothing while "
                        "it has them",
                        machine.value, fmt::join(*names, ", ")),
            "Delete these VM snapshots in CloudStack, then repeat. Do not revert to one of them.");
    }
}

void Placement::require_free_slot(const CloudMachineId& machine, const std::stop_token& stop) const {
    const auto attached = volumes_.list_of_machine(machine, stop);
    const auto used = static_cast<std::size_t>(
        std::count_if(attached.begin(), attached.end(), [](const auto& volume) { return volume.type != "ROOT"; }));
    if (used >= data_disk_limit) {
        throw refusal(ErrorCode::exhausted,
                      fmt::format("the machine {} has {} of {} data disks: there is no free device slot", machine.value,
                                  used, data_disk_limit),
                      "Take machines out of management whose replication is done, detach disks that are not "
                      "replicas, or replicate through a second appliance.");
    }
}

}  // namespace mk::volumes

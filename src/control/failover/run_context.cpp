#include "control/failover/run_context.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace mk::failover {

namespace {

std::vector<contracts::Volume> in_order_of(const std::vector<machines::MachineDisk>& disks,
                                           const std::vector<contracts::Volume>& volumes) {
    std::vector<contracts::Volume> ordered;
    for (const auto& disk : disks) {
        const auto found =
            std::find_if(volumes.begin(), volumes.end(), [&](const auto& v) { return v.disk_id == disk.disk_id; });
        if (found != volumes.end()) {
            ordered.push_back(*found);
        }
    }
    return ordered;
}

void require_all(const std::vector<machines::MachineDisk>& disks, const std::vector<contracts::Volume>& volumes,
                 const std::string& kind) {
    for (const auto& disk : disks) {
        if (std::none_of(volumes.begin(), volumes.end(), [&](const auto& v) { return v.disk_id == disk.disk_id; })) {
            throw Error(ErrorCode::conflict, disk.disk_id.value + " has no " + kind + " in CloudStack",
                        {.consequence = "No disk is left out silently: the machine was not made.",
                         .remedy = "Look at the volumes in CloudStack, then roll back and copy the machine anew."});
        }
    }
}

constexpr const char* digests_before_key = "digests_before";

}  // namespace

machines::Machine RunContext::machine() const {
    auto found = use.machines.find(vm);
    if (!found) {
        throw Error(ErrorCode::not_found, "machine " + vm.value + " is not managed any more");
    }
    return std::move(*found);
}

FailoverJob RunContext::row() const {
    auto found = use.failovers.find(failover);
    if (!found) {
        throw Error(ErrorCode::not_found, "there is no failover job " + failover.value);
    }
    return std::move(*found);
}

std::optional<RecoveryPoint> RunContext::point() const {
    return use.recovery_points.latest(vm);
}

std::vector<machines::MachineDisk> RunContext::disks() const {
    return boot_disk_first(use.machines.disks(vm), machine().boot_disk);
}

std::vector<contracts::Volume> RunContext::replicas(const std::stop_token& stop) const {
    const auto wanted = disks();
    auto found = in_order_of(wanted, use.volumes.volumes_of(vm, stop));
    require_all(wanted, found, "volume");
    return found;
}

std::vector<contracts::Volume> RunContext::clones(const std::stop_token& stop) const {
    auto all = use.volumes.clones_of(vm, stop);
    std::erase_if(all, [](const auto& clone) { return clone.volume_id.empty() || clone.state == "Absent"; });
    return in_order_of(disks(), all);
}

std::vector<contracts::Volume> RunContext::guest_volumes(const std::stop_token& stop) const {
    if (!request.on_clones) {
        return replicas(stop);
    }
    auto found = clones(stop);
    require_all(disks(), found, "clone");
    return found;
}

std::optional<CloudMachine> RunContext::destination(const std::stop_token& stop) const {
    const auto known = row();
    if (!known.destination_vm_id.empty()) {
        return use.cloud.find(known.destination_vm_id, stop);
    }
    return known.destination_vm_name.empty() ? std::nullopt : use.cloud.find_by_name(known.destination_vm_name, stop);
}

CloudMachine RunContext::require_destination(const std::stop_token& stop) const {
    auto machine = destination(stop);
    if (!machine) {
        throw Error(ErrorCode::conflict, "the machine that was made is not in CloudStack any more",
                    {.consequence = "The copy is protected by its snapshots.",
                     .remedy = "Roll back with: migratekit cleanup run " + vm.value,
                     .retry_safe = true});
    }
    return std::move(*machine);
}

contracts::PowerState RunContext::source_power(const std::string& action, const std::stop_token& stop) const {
    const auto managed = machine();
    return use.power.power(
        {.vcenter = use.credentials.access(managed.credential_id), .moref = managed.source.moref, .action = action},
        stop);
}

Json RunContext::recall(const char* key) const {
    return use.job_log.recall(failover, key);
}

void RunContext::remember(const char* key, const Json& value) const {
    use.job_log.remember(failover, key, value);
}

std::string RunContext::digest_before(const VolumeId& volume) const {
    const auto noted = recall(digests_before_key);
    return noted.is_object() ? noted.value(volume.value, "") : "";
}

void RunContext::note_digest_before(const VolumeId& volume, const std::string& digest) const {
    auto noted = recall(digests_before_key);
    if (!noted.is_object()) {
        noted = Json::object();
    }
    noted[volume.value] = digest;
    remember(digests_before_key, noted);
}

std::set<std::string> RunContext::noted_volumes(const JobId& of_job, const char* key) const {
    std::set<std::string> noted;
    const auto list = use.job_log.recall(of_job, key);
    for (const auto& volume : list.is_array() ? list : Json::array()) {
        noted.insert(volume.get<std::string>());
    }
    return noted;
}

void RunContext::note_volume(const JobId& of_job, const char* key, const VolumeId& volume) const {
    auto noted = noted_volumes(of_job, key);
    noted.insert(volume.value);
    use.job_log.remember(of_job, key, noted);
}

bool is_off(const CloudMachine& machine) {
    return machine.state == "Stopped" || machine.state == "Destroyed" || machine.state == "Expunging" ||
           machine.state == "Error";
}

bool has_snapshot(const contracts::Volume& volume) {
    return volume.snapshot_status == "ready" || volume.snapshot_status == "rollback_complete";
}

std::string name_of(const contracts::Volume& volume) {
    return "the volume of " + volume.disk_id.value + " (" + volume.name + ")";
}

std::string count_of(std::size_t done, std::size_t all, const char* what) {
    return std::to_string(done) + " of " + std::to_string(all) + " " + what;
}

}  // namespace mk::failover

#include "target/cloudstack/machine_commands.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/log.hpp"
#include "target/cloudstack/machine_json.hpp"

namespace mk::cloudstack {
namespace {

bool is_in_transition(const MachineInfo& machine) {
    return machine.state == "Starting" || machine.state == "Stopping" || machine.state == "Migrating";
}

bool is_gone(const MachineInfo& machine) {
    return machine.state == "Expunging" || machine.state == "Expunged";
}

std::vector<MachineInfo> machines_from(const Json& list) {
    std::vector<MachineInfo> machines;
    std::transform(list.begin(), list.end(), std::back_inserter(machines), machine_from);
    std::erase_if(machines, is_gone);
    return machines;
}

void add_networks(Parameters& parameters, const std::vector<DeployNic>& nics) {
    const bool is_plain =
        std::all_of(nics.begin(), nics.end(), [](const auto& n) { return n.mac.empty() && n.address.empty(); });
    if (is_plain) {
        std::string ids;
        for (const auto& nic : nics) {
            ids += (ids.empty() ? "" : ",") + nic.network_id;
        }
        if (!ids.empty()) {
            parameters.emplace_back("networkids", ids);
        }
        return;
    }
    for (std::size_t i = 0; i < nics.size(); ++i) {
        const auto lead = fmt::format("iptonetworklist[{}].", i);
        parameters.emplace_back(lead + "networkid", nics[i].network_id);
        if (!nics[i].mac.empty()) {
            parameters.emplace_back(lead + "mac", nics[i].mac);
        }
        if (!nics[i].address.empty()) {
            parameters.emplace_back(lead + "ip", nics[i].address);
        }
    }
}

void add_details(Parameters& parameters, const Deploy& request) {
    const auto add = [&](const char* key, const std::string& value, bool wanted) {
        if (wanted) {
            parameters.emplace_back(std::string("details[0].") + key, value);  // keys are case-sensitive
        }
    };
    add("cpuNumber", std::to_string(request.cpus), request.cpus > 0);
    add("memory", std::to_string(request.memory_mib), request.memory_mib > 0);
    add("cpuSpeed", std::to_string(request.cpu_mhz), request.cpu_mhz > 0);
    add("rootDiskController", request.root_disk_controller, !request.root_disk_controller.empty());
    add("nicAdapter", request.nic_adapter, !request.nic_adapter.empty());
}

Parameters deploy_parameters(const Deploy& request) {
    Parameters parameters{{"name", request.name},
                          {"displayname", request.display_name.empty() ? request.name : request.display_name},
                          {"zoneid", request.zone_id},
                          {"serviceofferingid", request.service_offering_id},
                          {"templateid", request.template_id},
                          {"startvm", "false"}};
    add_networks(parameters, request.nics);
    add_details(parameters, request);
    if (request.uefi) {  // a boottype without bootmode is answered with a null pointer (530)
        parameters.emplace_back("boottype", "UEFI");
        parameters.emplace_back("bootmode", request.secure_boot ? "SECURE" : "LEGACY");
    }
    return parameters;
}

auto is_in(std::string state) {
    return [state = std::move(state)](const std::optional<MachineInfo>& machine) {
        return machine && machine->state == state;
    };
}

std::string state_of(const std::optional<MachineInfo>& machine) {
    return machine ? machine->state : "gone";
}

}  // namespace

std::optional<MachineInfo> MachineCommands::find(const CloudMachineId& id, const std::stop_token& stop) const {
    try {
        const auto found = machines_from(client_.list("listVirtualMachines",
                                                      {{"id", id.value}, {"listall", "true"}, {"details", "nics"}},
                                                      "virtualmachine", stop));
        return found.empty() ? std::nullopt : std::optional(found.front());
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            return std::nullopt;
        }
        throw;
    }
}

std::vector<MachineInfo> MachineCommands::list_all(const std::stop_token& stop) const {
    return machines_from(
        client_.list("listVirtualMachines", {{"listall", "true"}, {"details", "min"}}, "virtualmachine", stop));
}

std::vector<MachineInfo> MachineCommands::list_named(const std::string& name, const std::stop_token& stop) const {
    auto found = machines_from(client_.list(
        "listVirtualMachines", {{"name", name}, {"listall", "true"}, {"details", "nics"}}, "virtualmachine", stop));
    // The parameter finds display names and parts of names too.
    std::erase_if(found, [&](const MachineInfo& machine) { return machine.name != name; });
    return found;
}

std::optional<MachineInfo> MachineCommands::rested(const CloudMachineId& id, const std::stop_token& stop) const {
    std::optional<MachineInfo> machine;
    wait_until(
        [&] {
            machine = find(id, stop);
            return !machine || !is_in_transition(*machine);
        },
        limits_.poll, limits_.job, stop, "the machine " + id.value + " to leave its transitional state");
    return machine;
}

MachineInfo MachineCommands::settled(const CloudMachineId& id, const std::stop_token& stop) const {
    auto machine = rested(id, stop);
    if (!machine) {
        throw Error(ErrorCode::not_found, "the machine " + id.value + " does not exist in CloudStack");
    }
    return std::move(*machine);
}

std::vector<NicInfo> MachineCommands::nics(const CloudMachineId& id, const std::stop_token& stop) const {
    std::vector<NicInfo> nics;
    for (const auto& json : client_.list("listNics", {{"virtualmachineid", id.value}}, "nic", stop)) {
        nics.push_back(nic_from(json));
    }
    return nics;
}

std::vector<std::string> MachineCommands::vm_snapshots(const CloudMachineId& id, const std::stop_token& stop) const {
    std::vector<std::string> names;
    // Releases spell the list's name differently ("vmSnapshot", "vmsnapshot"): it is the only list of the answer.
    const Json answer = client_.call("listVMSnapshot", {{"virtualmachineid", id.value}, {"listall", "true"}}, stop);
    for (const auto& list : answer) {
        for (const auto& json : list.is_array() ? list : Json::array()) {
            const auto name = text_field(json, "displayname");
            names.push_back(name.empty() ? text_field(json, "name") : name);
        }
    }
    return names;
}

void MachineCommands::tag(const CloudMachineId& id, const std::string& key, const std::string& value,
                          const std::stop_token& stop) const {
    const auto job = client_.start(
        "createTags",
        {{"resourcetype", "UserVm"}, {"resourceids", id.value}, {"tags[0].key", key}, {"tags[0].value", value}}, stop);
    client_.wait(job, std::chrono::minutes{2}, stop);
}

std::optional<std::string> MachineCommands::find_tag(const CloudMachineId& id, const std::string& key,
                                                     const std::stop_token& stop) const {
    const Parameters parameters{
        {"resourcetype", "UserVm"}, {"resourceid", id.value}, {"key", key}, {"listall", "true"}};
    for (const auto& json : client_.list("listTags", parameters, "tag", stop)) {
        if (text_field(json, "key") == key && text_field(json, "resourceid") == id.value) {
            return text_field(json, "value");
        }
    }
    return std::nullopt;
}

/// False where the outcome is unknown: the state that is read afterwards decides.
bool MachineCommands::wait_for_job(const std::string& command, const Parameters& parameters,
                                   const std::stop_token& stop) const {
    try {
        client_.wait(client_.start(command, parameters, stop), limits_.job, stop);
        return true;
    } catch (const Error& error) {
        if (error.native() != outcome_unknown) {
            throw;
        }
        return false;
    }
}

/// Sends the command, and again where nobody knows what came of it and the machine rests as before: the management
/// server died before it did anything. The machine as it is then.
std::optional<MachineInfo> MachineCommands::bring_about(const std::string& command, const Parameters& parameters,
                                                        const CloudMachineId& id, const IsDone& is_done,
                                                        const std::stop_token& stop) const {
    for (int attempt = 1;; ++attempt) {
        bool is_known = false;
        try {
            is_known = wait_for_job(command, parameters, stop);
        } catch (const Error&) {
            // What was sent before may have been carried out in the meantime, and is refused now.
            if (attempt == 1 || !is_done(rested(id, stop))) {
                throw;
            }
        }
        auto machine = rested(id, stop);
        if (is_known || is_done(machine) || attempt >= limits_.attempts) {
            return machine;
        }
        log::warn("machine={} nobody knows what came of {}: sent again", id.value, command);
        if (!pause(limits_.poll, stop)) {
            throw Error(ErrorCode::cancelled, "stopped while waiting for the machine " + id.value);
        }
    }
}

MachineInfo MachineCommands::deploy(const Deploy& request, const std::stop_token& stop) const {
    const auto find_by_name = [&]() -> std::optional<MachineInfo> {
        auto named = list_named(request.name, stop);
        std::erase_if(named, [](const MachineInfo& machine) { return machine.state == "Destroyed"; });
        if (named.size() > 1) {
            throw Error(ErrorCode::conflict, "CloudStack has several machines named " + request.name);
        }
        return named.empty() ? std::nullopt : std::optional(named.front());
    };
    if (const auto existing = find_by_name()) {
        return settled(existing->id, stop);
    }
    try {
        const auto job = client_.start("deployVirtualMachine", deploy_parameters(request), stop);
        client_.wait(job, limits_.job, stop);
        return settled(CloudMachineId{job.object_id}, stop);
    } catch (const Error& error) {
        const auto existing = is_outcome_unknown(error) ? find_by_name() : std::nullopt;
        if (!existing) {
            throw;
        }
        return settled(existing->id, stop);
    }
}

MachineInfo MachineCommands::start(const CloudMachineId& id, const std::stop_token& stop) const {
    if (auto machine = settled(id, stop); machine.state == "Running") {
        return machine;
    }
    auto machine = bring_about("startVirtualMachine", {{"id", id.value}}, id, is_in("Running"), stop);
    if (!machine || machine->state != "Running") {
        throw Error(ErrorCode::external,
                    fmt::format("the machine {} is {} after starting it", id.value, state_of(machine)),
                    {.remedy = "Look at CloudStack's events for the reason, then repeat.", .retry_safe = true});
    }
    return std::move(*machine);
}

MachineInfo MachineCommands::stop(const CloudMachineId& id, bool forced, const std::stop_token& stop_token) const {
    if (auto machine = settled(id, stop_token); machine.state != "Running" && machine.state != "Unknown") {
        return machine;
    }
    auto machine = bring_about("stopVirtualMachine", {{"id", id.value}, {"forced", forced ? "true" : "false"}}, id,
                               is_in("Stopped"), stop_token);
    if (!machine || machine->state != "Stopped") {
        throw Error(ErrorCode::external,
                    fmt::format("the machine {} is {} after stopping it", id.value, state_of(machine)),
                    {.remedy = "Repeat with force.", .retry_safe = true});
    }
    return std::move(*machine);
}

void MachineCommands::wait_gone(const CloudMachineId& id, const std::stop_token& stop) const {
    wait_until([&] { return !find(id, stop); }, limits_.poll, std::chrono::minutes{5}, stop,
               "the machine " + id.value + " to disappear");
}

void MachineCommands::destroy(const CloudMachineId& id, bool expunge_too, const std::stop_token& stop) const {
    const auto machine = find(id, stop);
    if (!machine) {
        return;
    }
    if (machine->state == "Destroyed") {
        if (expunge_too) {
            expunge(id, stop);
        }
        return;
    }
    settled(id, stop);
    const auto is_done = [&](const std::optional<MachineInfo>& now) { return !now || now->state == "Destroyed"; };
    const auto now = bring_about("destroyVirtualMachine",
                                 {{"id", id.value}, {"expunge", expunge_too ? "true" : "false"}}, id, is_done, stop);
    if (!is_done(now)) {
        throw Error(ErrorCode::external, fmt::format("the machine {} is {} after destroying it", now->name, now->state),
                    {.remedy = "Repeat the operation.", .retry_safe = true});
    }
    if (now && expunge_too) {
        expunge(id, stop);
    }
}

void MachineCommands::expunge(const CloudMachineId& id, const std::stop_token& stop) const {
    if (!find(id, stop)) {
        return;
    }
    bring_about(
        "expungeVirtualMachine", {{"id", id.value}}, id,
        [](const std::optional<MachineInfo>& machine) { return !machine; }, stop);
    wait_gone(id, stop);
}

}  // namespace mk::cloudstack

// CloudStack: networks and cards, the machine's name, room for it.

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "control/failover/preflight_checks.hpp"
#include "model/machine_name.hpp"

namespace mk::failover {

namespace {

constexpr std::size_t longest_machine_name = 63;

std::string network_of(Collaborators& use, const settings::CloudStackSettings& settings, const std::string& source,
                       bool live) {
    const auto mapping = use.networks.find(source);
    const auto mapped = !mapping ? std::string{} : live ? mapping->live_network_id : mapping->test_network_id;
    return !mapped.empty() ? mapped : live ? settings.network_id : settings.test_network_id;
}

NicOrder card(const machines::Machine& machine, const FailoverRequest& request, std::size_t index,
              const std::string& network) {
    const auto& nics = machine.source.nics;
    return {.network_id = network,
            .mac = request.keep_mac && index < nics.size() ? nics[index].mac : "",
            .address = index < request.addresses.size() ? request.addresses[index] : ""};
}

/// Networks on which live failovers put machines, and tests do not.
std::set<std::string> live_networks(Collaborators& use) {
    const auto settings = use.cloudstack.require();
    std::set<std::string> live = {settings.network_id};
    std::set<std::string> test = {settings.test_network_id};
    for (const auto& mapping : use.networks.list()) {
        live.insert(mapping.live_network_id);
        test.insert(mapping.test_network_id);
    }
    for (const auto& network : test) {
        live.erase(network);
    }
    return live;
}

void check_test_isolation(const Subject& subject, const std::vector<NicOrder>& nics, Checks& checks) {
    const auto live = live_networks(subject.use);
    for (const auto& nic : nics) {
        if (live.contains(nic.network_id)) {
            checks.warn("live_network_for_test",
                        "the test would run on " + nic.network_id +
                            ", a network of live failovers: source and copy, with the same name, services and "
                            "perhaps addresses, could meet",
                        "Choose an isolated network with --network, or map one: migratekit network map");
        }
    }
}

void check_cards(const Subject& subject, const std::vector<NicOrder>& nics, Checks& checks) {
    const auto& request = subject.request;
    const auto wanted = request.network_ids.empty() ? subject.machine.source.nics.size() : request.network_ids.size();
    if (nics.size() < wanted) {
        checks.warn("nics_merged",
                    "the machine gets " + std::to_string(nics.size()) + " network cards instead of " +
                        std::to_string(wanted) + ", because several lead to the same network",
                    "CloudStack gives a machine one card per network: map the source networks to different ones.");
    }
    if (request.addresses.size() > nics.size()) {
        checks.block("too_many_addresses",
                     std::to_string(request.addresses.size()) + " addresses are given for " +
                         std::to_string(nics.size()) + " network cards",
                     "Give one address per card at most, in their order.");
    }
    if (request.keep_mac && !request.live) {
        checks.warn("mac_of_running_source", "the test machine gets the MAC addresses of its source",
                    "Make sure that no network connects the two.");
    }
}

}  // namespace

std::vector<NicOrder> nic_orders(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request) {
    std::vector<NicOrder> nics;
    const auto add = [&](std::size_t index, const std::string& network) {
        const bool is_new =
            std::none_of(nics.begin(), nics.end(), [&](const auto& n) { return n.network_id == network; });
        if (!network.empty() && is_new) {
            nics.push_back(card(machine, request, index, network));
        }
    };
    for (std::size_t i = 0; i < request.network_ids.size(); ++i) {
        add(i, request.network_ids[i]);
    }
    if (!request.network_ids.empty()) {
        return nics;
    }
    const auto settings = use.cloudstack.require();
    for (std::size_t i = 0; i < machine.source.nics.size(); ++i) {
        add(i, network_of(use, settings, machine.source.nics[i].network, request.live));
    }
    if (nics.empty()) {
        add(0, request.live ? settings.network_id : settings.test_network_id);
    }
    return nics;
}

void check_networks(const Subject& subject, const std::vector<NicOrder>& nics, Checks& checks) {
    if (nics.empty()) {
        checks.block("unmapped_network", "no network is chosen for the machine",
                     "Map the source networks (migratekit network map) or name one with --network.");
        return;
    }
    const auto existing = subject.use.cloud.network_ids(subject.stop);
    for (const auto& nic : nics) {
        if (std::find(existing.begin(), existing.end(), nic.network_id) == existing.end()) {
            checks.block("unknown_network",
                         "CloudStack has no network " + nic.network_id + " that this account may use",
                         "Choose one of: migratekit cloudstack discover");
        }
    }
    check_cards(subject, nics, checks);
    if (!subject.request.live) {
        check_test_isolation(subject, nics, checks);
    }
}

/// Known before the source is shut down, not after (DD 22).
void check_name(const Subject& subject, Checks& checks) {
    auto& use = subject.use;
    const auto cleaned = cleaned_machine_name(subject.name());
    if (cleaned.size() > longest_machine_name) {
        checks.block("name_too_long",
                     "the machine's name has " + std::to_string(cleaned.size()) +
                         " characters by the rules of CloudStack, which takes 63: " + cleaned,
                     "Rename the machine at the source, then sync it.");
        return;
    }
    const auto name = destination_name(subject.request.live, subject.name(), use.clock.now());
    // A test's name ends in the time and cannot be taken.
    const auto same = subject.request.live ? use.cloud.find_by_name(name, subject.stop) : std::nullopt;
    if (same && same->state != "Destroyed") {
        checks.block("name_taken", "CloudStack has a machine named " + name + " already",
                     "Rename or remove that machine.");
    } else {
        checks.note("name", "The machine will be named " + name);
    }
}

void check_capacity(const Subject& subject, const std::vector<NicOrder>& nics, Checks& checks) {
    const auto& source = subject.machine.source;
    CloudNeeds needs;
    needs.machine = {.name = source.name,
                     .display_name = source.name,
                     .cpus = source.cpus,
                     .memory_mb = source.memory_mb,
                     .firmware = source.firmware,
                     .secure_boot = source.secure_boot,
                     .nics = nics};
    for (const auto& volume : subject.volumes) {
        needs.snapshots.push_back(volume.size_bytes);
        if (subject.request.on_clones) {
            needs.new_volumes.push_back(volume.size_bytes);
        }
    }
    for (auto& finding : subject.use.cloud.assess(needs, subject.stop)) {
        checks.add(std::move(finding));
    }
}

}  // namespace mk::failover

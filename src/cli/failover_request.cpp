#include "cli/failover_request.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cli/names.hpp"

namespace mk::cli {

namespace {

void add_duration(Json& body, const char* field, const Input& input, const char* option) {
    if (const auto duration = input.duration(option)) {
        body[field] = duration->count();
    }
}

/// What is not asked for is left to the OMA.
void add_switch(Json& body, const char* field, bool value, const Input& input, const char* option) {
    if (input.has(option)) {
        body[field] = value;
    }
}

/// What test and live have in common.
Json common_request(const Input& input, const std::string& machine) {
    Json body = {{"context_id", machine}};
    if (const auto networks = split_list(input.list("--network")); !networks.empty()) {
        body["network_ids"] = networks;
    }
    if (input.has("--address")) {
        Json addresses = Json::array();
        for (const auto& address : input.list("--address")) {
            addresses.push_back(address == "auto" ? "" : address);
        }
        body["addresses"] = addresses;
    }
    if (input.has("--probe")) {
        body["probes"] = input.list("--probe");
    }
    if (input.has("--expect")) {
        body["expect"] = input.text("--expect");
    }
    add_duration(body, "boot_limit_s", input, "--boot-limit");
    add_switch(body, "keep_mac", true, input, "--keep-mac");
    add_switch(body, "inspect_guest", false, input, "--skip-inspection");
    add_switch(body, "accept_unverified", true, input, "--accept-unverified");
    add_switch(body, "rollback_on_failure", true, input, "--rollback-on-failure");
    return body;
}

std::vector<Option> common_options() {
    return {{"--network", "ID", "CloudStack network of each card in order; default by mapping", false, true},
            {"--address", "IP", "address of each card in order, \"auto\" leaves it to CloudStack", false, true},
            {"--keep-mac", "", "the cards keep the MAC addresses of the source"},
            {"--probe", "PROBE", "how the boot is proven: http:8080/, tcp:22 or ping; all must answer", false, true},
            {"--expect", "TEXT", "what the answers of http and tcp probes must contain"},
            {"--boot-limit", "TIME", "how long the boot may take, e.g. 10m"},
            {"--skip-inspection", "", "do not look at the guest's disks before"},
            {"--accept-unverified", "", "go on although the recovery point is torn or differs; logged with your name"},
            {"--rollback-on-failure", "", "roll back by itself when a step fails"}};
}

void append(std::vector<Option>& options, std::initializer_list<Option> more) {
    options.insert(options.end(), more);
}

const Option on_clones{"--on-clones", "", "on volumes made from the snapshots: replication goes on meanwhile"};
const Option rollback_after{"--rollback-after", "TIME", "roll back by itself after this time, e.g. 4h"};
const Option force_power_off{"--force-power-off", "", "power the source off when its guest does not shut down"};
const Option shutdown_limit{"--shutdown-limit", "TIME", "how long the guest may take to shut down, e.g. 10m"};

}  // namespace

std::vector<Option> test_options() {
    auto options = common_options();
    append(options, {on_clones, rollback_after});
    return options;
}

std::vector<Option> live_options() {
    auto options = common_options();
    append(options, {force_power_off, shutdown_limit});
    return options;
}

std::vector<Option> check_options() {
    std::vector<Option> options = {{"--live", "", "check for a live failover instead of a test"}};
    for (const auto& option : live_options()) {
        options.push_back(option);
    }
    append(options, {on_clones, rollback_after});
    return options;
}

Json test_request(const Input& input, const std::string& machine) {
    auto body = common_request(input, machine);
    add_switch(body, "on_clones", true, input, "--on-clones");
    if (input.has("--rollback-after")) {
        add_duration(body, "test_duration_s", input, "--rollback-after");
        body["auto_cleanup"] = true;
    }
    return body;
}

Json live_request(const Input& input, const std::string& machine) {
    auto body = common_request(input, machine);
    body["live"] = true;
    add_switch(body, "force_power_off", true, input, "--force-power-off");
    add_duration(body, "shutdown_limit_s", input, "--shutdown-limit");
    return body;
}

Json check_request(const Input& input, const std::string& machine) {
    auto body = test_request(input, machine);
    // Both kinds in one: whether they go together is the OMA's to say.
    body.update(live_request(input, machine));
    if (!input.has("--live")) {
        body.erase("live");
    }
    return body;
}

}  // namespace mk::cli

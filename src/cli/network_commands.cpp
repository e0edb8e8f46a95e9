// network list, map; volume list.

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/session.hpp"

namespace mk::cli {

namespace {

using json::value_or;

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

Table network_table() {
    return {.columns = {{"SOURCE NETWORK"},
                        {"FOR LIVE"},
                        {"FOR TESTS"},
                        {.title = "LIVE ID", .wide = true},
                        {.title = "TEST ID", .wide = true}},
            .rows = {},
            .empty_text = "No network is mapped; the defaults of the CloudStack settings are used."};
}

std::vector<std::string> network_row(const Json& mapping) {
    return {text(mapping, "source_network"), value_or<std::string>(mapping, "live_network_name", "none"),
            value_or<std::string>(mapping, "test_network_name", "none"), text(mapping, "live_network_id"),
            text(mapping, "test_network_id")};
}

ExitCode list_networks(Session& session, const Input&) {
    const auto answer = session.api().get("/api/v1/networks");
    auto table = network_table();
    for (const auto& mapping : value_or<Json>(answer, "networks", Json::array())) {
        table.rows.push_back(network_row(mapping));
    }
    session.show(answer, table);
    return ExitCode::done;
}

/// The API stores both targets at once: one that is not named keeps what it was.
ExitCode map_network(Session& session, const Input& input) {
    if (!input.has("--live") && !input.has("--test")) {
        throw Error(ErrorCode::invalid, "name --live NETWORK, --test NETWORK or both",
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
    auto& api = session.api();
    api.allow_long_calls();
    Json body = {{"source_network", input.text("SOURCE")}, {"live_network", ""}, {"test_network", ""}};
    for (const auto& mapping : value_or<Json>(api.get("/api/v1/networks"), "networks", Json::array())) {
        if (text(mapping, "source_network") == input.text("SOURCE")) {
            body["live_network"] = text(mapping, "live_network_id");
            body["test_network"] = text(mapping, "test_network_id");
        }
    }
    for (const auto& [option, field] : {std::pair{"--live", "live_network"}, std::pair{"--test", "test_network"}}) {
        if (input.has(option)) {
            body[field] = input.text(option);
        }
    }
    const auto answer = api.put("/api/v1/networks", body);
    auto table = network_table();
    table.rows.push_back(network_row(answer));
    session.show(answer, table);
    return ExitCode::done;
}

ExitCode list_volumes(Session& session, const Input& input) {
    const auto answer = session.api().get(vm_path(input.text("VM"), "/volumes"));
    Table table{.columns = {{.title = "NAME", .flexible = true},
                            {"DISK"},
                            {"SIZE", true},
                            {"STATE"},
                            {"AT"},
                            {"SNAPSHOT"},
                            {.title = "DEVICE", .wide = true},
                            {.title = "ATTACHED TO", .wide = true},
                            {.title = "VOLUME ID", .wide = true}},
                .rows = {},
                .empty_text = "The machine has no volume yet."};
    for (const auto& volume : value_or<Json>(answer, "volumes", Json::array())) {
        const auto mode = text(volume, "operation_mode");
        table.rows.push_back({text(volume, "name"), text(volume, "disk_id"),
                              format_bytes(value_or<Bytes>(volume, "size_bytes", 0)), text(volume, "state"),
                              mode == "oma"        ? "appliance"
                              : mode == "failover" ? "machine"
                                                   : "nobody",
                              text(volume, "snapshot_status"), text(volume, "device_path"), text(volume, "vm_id"),
                              text(volume, "volume_id")});
    }
    session.show(answer, table);
    return ExitCode::done;
}

}  // namespace

std::vector<Command> network_commands() {
    return {{.words = "network list",
             .summary = "Mapped networks.",
             .example = "migratekit network list",
             .run = list_networks},
            {.words = "network map",
             .summary = "Says which CloudStack networks stand for a source network.",
             .example = "migratekit network map 'VM Network' --live Prod --test Test-Bubble",
             .arguments = {{"SOURCE", "name of the network at the source"}},
             .options = {{"--live", "NETWORK", "name or id, for live failovers"},
                         {"--test", "NETWORK", "name or id, for tests: isolated"}},
             .run = map_network},
            {.words = "volume list",
             .summary = "Volumes that hold a machine's copy, and where each is now.",
             .example = "migratekit volume list app-01",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .run = list_volumes}};
}

}  // namespace mk::cli

// discover list.

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/session.hpp"

namespace mk::cli {

namespace {

using json::value_or;

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

/// "ok", "blocked: why", "2 notes": the worst finding speaks.
std::string readiness(const Json& machine) {
    std::size_t notes = 0;
    for (const auto& finding : value_or<Json>(machine, "findings", Json::array())) {
        if (text(finding, "severity") == "blocker") {
            return "blocked: " + text(finding, "text");
        }
        ++notes;
    }
    return notes == 0 ? "ok" : notes == 1 ? "ok, 1 note" : "ok, " + std::to_string(notes) + " notes";
}

std::string power(const Json& machine) {
    const auto state = text(machine, "power_state");
    return state == "poweredOn" ? "on" : state == "poweredOff" ? "off" : state;
}

std::string networks(const Json& machine) {
    std::string names;
    for (const auto& nic : value_or<Json>(machine, "nics", Json::array())) {
        names += (names.empty() ? "" : ", ") + text(nic, "network");
    }
    return names;
}

std::vector<std::string> row_of(const Json& machine) {
    Bytes capacity = 0;
    const auto disks = value_or<Json>(machine, "disks", Json::array());
    for (const auto& disk : disks) {
        capacity += value_or<Bytes>(disk, "capacity", 0);
    }
    return {text(machine, "name"),
            power(machine),
            std::to_string(value_or<int>(machine, "cpus", 0)),
            format_bytes(value_or<Bytes>(machine, "memory_mb", 0) * MiB),
            std::to_string(disks.size()),
            format_bytes(capacity),
            readiness(machine),
            text(machine, "managed_as").empty() ? "no" : "yes",
            text(machine, "os_type"),
            networks(machine),
            text(machine, "path"),
            text(machine, "managed_as")};
}

std::string path_of(const Input& input) {
    std::string query;
    for (const auto& [option, name] : {std::pair{"--vcenter", "vcenter"}, std::pair{"--filter", "filter"}}) {
        if (input.has(option)) {
            query += std::string(query.empty() ? "?" : "&") + name + "=" + http::url_encode(input.text(option));
        }
    }
    return "/api/v1/discovery" + query;
}

ExitCode list(Session& session, const Input& input) {
    auto& api = session.api();
    api.allow_long_calls();
    auto answer = api.get(path_of(input));
    Table table{.columns = {{.title = "NAME", .flexible = true},
                            {"POWER"},
                            {"CPU", true},
                            {"MEMORY", true},
                            {"DISKS", true},
                            {"SIZE", true},
                            {.title = "READINESS", .flexible = true},
                            {"MANAGED"},
                            {.title = "GUEST", .wide = true},
                            {.title = "NETWORKS", .wide = true},
                            {.title = "PATH", .wide = true},
                            {.title = "CONTEXT ID", .wide = true}},
                .rows = {},
                .empty_text = "No machine matches."};
    Json kept = Json::array();
    for (const auto& machine : value_or<Json>(answer, "machines", Json::array())) {
        if (!input.has("--only-ready") || value_or<bool>(machine, "ready", false)) {
            kept.push_back(machine);
            table.rows.push_back(row_of(machine));
        }
    }
    answer["machines"] = kept;
    session.show(answer, table);
    return ExitCode::done;
}

}  // namespace

std::vector<Command> discover_commands() {
    return {{.words = "discover list",
             .summary = "Machines at the source, and whether they can be replicated.",
             .example = "migratekit discover list --vcenter leeds --only-ready",
             .options = {{"--vcenter", "NAME", "which vCenter; not needed when there is only one"},
                         {"--filter", "TEXT", "only machines whose name or path matches"},
                         {"--only-ready", "", "only machines that can be replicated"}},
             .run = list}};
}

}  // namespace mk::cli

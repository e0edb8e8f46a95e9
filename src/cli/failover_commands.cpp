// failover check, test, finish, live, commit, back; cleanup run.

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "cli/job_follower.hpp"
#include "cli/names.hpp"

namespace mk::cli {

namespace {

using json::value_or;

/// What test and live have in common.
Json request_from(const Input& input, const std::string& machine) {
    Json body = {{"context_id", machine}};
    if (const auto networks = split_list(input.list("--network")); !networks.empty()) {
        body["network_ids"] = networks;
    }
    if (input.has("--probe")) {
        body["probe"] = input.text("--probe");
    }
    if (const auto limit = input.duration("--boot-limit")) {
        body["boot_limit_s"] = limit->count();
    }
    return body;
}

Json live_request_from(const Input& input, const std::string& machine) {
    auto body = request_from(input, machine);
    body["live"] = true;
    body["force_power_off"] = input.has("--force-power-off");
    if (const auto limit = input.duration("--shutdown-limit")) {
        body["shutdown_limit_s"] = limit->count();
    }
    return body;
}

ExitCode show_checks(Session& session, const Json& answer) {
    Table table{.columns = {{"CHECK"},
                            {.title = "RESULT", .flexible = true},
                            {.title = "REMEDY", .flexible = true},
                            {.title = "CODE", .wide = true}},
                .rows = {},
                .empty_text = "No check has anything to say."};
    for (const auto& finding : value_or<Json>(answer, "checks", Json::array())) {
        const auto text = [&](const char* field) { return value_or<std::string>(finding, field, ""); };
        const auto severity = text("severity");
        table.rows.push_back({severity == "blocker" ? "blocked"
                              : severity == "note"  ? "ok"
                                                    : severity,
                              text("text"), text("remedy"), text("code")});
    }
    session.show(answer, table);
    const bool passed = value_or<bool>(answer, "passed", false);
    session.say(passed ? "It can fail over." : "It cannot fail over now.");
    return passed ? ExitCode::done : ExitCode::refused;
}

ExitCode check_with(Session& session, const Json& body) {
    return show_checks(session, session.api().post("/api/v1/failover/check", body));
}

ExitCode check(Session& session, const Input& input) {
    const auto machine = input.text("VM");
    return check_with(session, input.has("--live") ? live_request_from(input, machine) : request_from(input, machine));
}

ExitCode test(Session& session, const Input& input) {
    auto body = request_from(input, input.text("VM"));
    if (const auto duration = input.duration("--rollback-after")) {
        body["test_duration_s"] = duration->count();
        body["auto_cleanup"] = true;
    }
    if (input.has("--dry-run")) {
        return check_with(session, body);
    }
    return started(session, input, {session.api().post("/api/v1/failover/test", body)});
}

ExitCode finish(Session& session, const Input& input) {
    const auto verdict = input.text("--verdict");
    if (verdict != "worked" && verdict != "failed" && verdict != "none") {
        throw Error(
            ErrorCode::invalid, "--verdict '" + verdict + "' is not a verdict",
            {.consequence = "Nothing was changed.", .remedy = "Use worked, failed or none.", .retry_safe = true});
    }
    return started(session, input,
                   {session.api().post("/api/v1/failover/finish", {{"context_id", input.text("VM")},
                                                                   {"verdict", verdict == "none" ? "" : verdict},
                                                                   {"note", input.text("--note")}})});
}

ExitCode live(Session& session, const Input& input) {
    const auto machine = session.api().get(vm_path(input.text("VM")));
    const auto name = json::require<std::string>(machine, "name");
    const auto body = live_request_from(input, json::require<std::string>(machine, "context_id"));
    if (input.has("--dry-run")) {
        return check_with(session, body);
    }
    const auto verdict = value_or<std::string>(machine, "last_test_verdict", "");
    require_confirmation(session, input, name,
                         "The source machine " + name +
                             " is shut down, its last changes are sent, and the copy is started in CloudStack.\n"
                             "Last test: " +
                             (verdict.empty() ? "never tested" : verdict) + ".");
    return started(session, input, {session.api().post("/api/v1/failover/live", body)});
}

/// commit and back: typed name, one machine, nothing else to choose.
ExitCode end_live(Session& session, const Input& input, const std::string& path, const std::string& consequences) {
    const auto machine = session.api().get(vm_path(input.text("VM")));
    const auto name = json::require<std::string>(machine, "name");
    require_confirmation(session, input, name, consequences);
    return started(session, input,
                   {session.api().post(path, {{"context_id", json::require<std::string>(machine, "context_id")}})});
}

ExitCode commit(Session& session, const Input& input) {
    return end_live(session, input, "/api/v1/failover/commit",
                    "The snapshots of the copy are deleted and replication ends. The machine in CloudStack and its "
                    "volumes stay.\nAfter this there is no way back to the source through MigrateKit.");
}

ExitCode go_back(Session& session, const Input& input) {
    return end_live(session, input, "/api/v1/failover/back",
                    "The machine in CloudStack is stopped and deleted, the copy is reverted, and the source is started "
                    "if the failover shut it down.\nWhatever was written in CloudStack since the failover is lost.");
}

ExitCode clean_up(Session& session, const Input& input) {
    return started(session, input,
                   {session.api().post("/api/v1/failover/cleanup", {{"context_id", input.text("VM")}})});
}

std::vector<Option> boot_options() {
    return {{"--network", "ID", "CloudStack network of each NIC in order; default by mapping", false, true},
            {"--probe", "PROBE", "how the boot is proven, e.g. http:8080/ or tcp:22"},
            {"--boot-limit", "TIME", "how long the boot may take, e.g. 10m"}};
}

std::vector<Option> live_options() {
    auto options = boot_options();
    options.insert(options.end(), {{"--force-power-off", "", "power the source off when its guest does not shut down"},
                                   {"--shutdown-limit", "TIME", "how long the guest may take to shut down, e.g. 10m"}});
    return options;
}

Command check_command() {
    auto options = live_options();
    options.insert(options.begin(), {"--live", "", "check for a live failover instead of a test"});
    return {.words = "failover check",
            .summary = "Whether the machine can fail over; changes nothing. Exit code 5 when it cannot.",
            .example = "migratekit failover check pg-db-01 --live",
            .arguments = {{"VM", "name, ctx- id or unique prefix"}},
            .options = options,
            .run = check};
}

Command test_command() {
    auto options = boot_options();
    options.insert(options.end(), {{"--rollback-after", "TIME", "roll back by itself after this time, e.g. 4h"},
                                   {"--dry-run", "", "only show the checks"}});
    return {.words = "failover test",
            .summary = "Boots the copy on a test network; the source keeps running.",
            .example = "migratekit failover test pg-db-01 --probe http:8080/ --rollback-after 4h --wait",
            .arguments = {{"VM", "name, ctx- id or unique prefix"}},
            .options = with_wait(options),
            .run = test};
}

Command live_command() {
    auto options = live_options();
    options.insert(options.end(), {{"--confirm", "NAME", "the machine's name; asked for on a terminal"},
                                   {"--dry-run", "", "only show the checks"}});
    return {.words = "failover live",
            .summary = "Moves the machine: source off, last changes sent, copy started in CloudStack.",
            .example = "migratekit failover live pg-db-01 --confirm pg-db-01 --probe http:8080/ --wait",
            .arguments = {{"VM", "name, ctx- id or unique prefix"}},
            .options = with_wait(options),
            .run = live};
}

Command ending_command(const char* words, const char* summary, const char* example, decltype(&commit) run) {
    return {.words = words,
            .summary = summary,
            .example = example,
            .arguments = {{"VM", "name, ctx- id or unique prefix"}},
            .options = with_wait({{"--confirm", "NAME", "the machine's name; asked for on a terminal"}}),
            .run = run};
}

}  // namespace

std::vector<Command> failover_commands() {
    return {check_command(),
            test_command(),
            {.words = "failover finish",
             .summary = "Ends a test: keeps the verdict and rolls back.",
             .example = "migratekit failover finish pg-db-01 --verdict worked --note 'log-in checked' --wait",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .options = with_wait({{"--verdict", "VERDICT", "worked, failed or none", true},
                                   {"--note", "TEXT", "kept with the verdict"}}),
             .run = finish},
            live_command(),
            ending_command("failover commit",
                           "Ends a live failover for good: its snapshots are deleted, the machine stays in CloudStack.",
                           "migratekit failover commit pg-db-01 --confirm pg-db-01 --wait", commit),
            ending_command("failover back", "Takes a live failover back: cloud machine off, copy reverted, source on.",
                           "migratekit failover back pg-db-01 --confirm pg-db-01 --wait", go_back),
            {.words = "cleanup run",
             .summary = "Rolls back what a broken failover left; never deletes replicated data.",
             .example = "migratekit cleanup run erp-02 --wait",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .options = with_wait({}),
             .run = clean_up}};
}

}  // namespace mk::cli

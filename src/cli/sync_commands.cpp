// sync start, verify, settings, stop, list, show.

#include <charconv>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/figures.hpp"
#include "cli/job_follower.hpp"
#include "cli/job_view.hpp"
#include "cli/several.hpp"
#include "cli/sync_view.hpp"

namespace mk::cli {

namespace {

using json::value_or;

/// The whole number of an option within its bounds. Throws Error{invalid} naming the option.
int number_of(const Input& input, const std::string& option, int low, int high) {
    const auto text = input.text(option);
    int number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || problem != std::errc{} || end != text.data() + text.size() || number < low || number > high) {
        throw Error(ErrorCode::invalid, fmt::format("{} '{}' is no number from {} to {}", option, text, low, high),
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
    return number;
}

/// What was asked for; the OMA knows what goes when nothing is said.
Json options_of(const Input& input) {
    if (input.has("--full") && input.has("--compare")) {
        throw Error(ErrorCode::invalid, "--full and --compare exclude each other",
                    {.consequence = "Nothing was started.",
                     .remedy = "Use --compare to send only what differs, --full to send everything.",
                     .retry_safe = true});
    }
    Json body = {{"full", input.has("--full")}, {"compare", input.has("--compare")}};
    if (input.has("--priority")) {
        body["priority"] = number_of(input, "--priority", -100, 100);
    }
    if (input.has("--limit")) {
        const auto limit = parse_rate(input.text("--limit"), "--limit");
        body["bytes_per_second"] = limit == 0 ? Json(nullptr) : Json(limit);
    }
    return body;
}

ExitCode start(Session& session, const Input& input) {
    const auto body = options_of(input);
    std::vector<Json> jobs;
    const auto code = for_each_item(session, input.list("VM"), [&](const std::string& machine) {
        jobs.push_back(session.api().post(vm_path(machine, "/sync"), body));
    });
    return worse(code, started(session, input, jobs));
}

ExitCode verify(Session& session, const Input& input) {
    const int percent = input.has("--percent") ? number_of(input, "--percent", 1, 100) : 100;
    const auto answer = session.api().post(vm_path(input.text("VM"), "/verify"), {{"percent", percent}});
    return started(session, input, {answer});
}

ExitCode settings(Session& session, const Input& input) {
    constexpr const char* path = "/api/v1/settings/replication";
    const auto answer =
        input.has("--compare-percent")
            ? session.api().put(path, {{"compare_percent", number_of(input, "--compare-percent", 0, 100)}})
            : session.api().get(path);
    auto table = facts_table();
    table.rows = {{"Compared in every sync", std::to_string(value_or<int>(answer, "compare_percent", 0)) +
                                                 " % of what change tracking calls unchanged"}};
    session.show(answer, table);
    return ExitCode::done;
}

/// A copy or a comparison.
bool is_sync(const Json& job) {
    const auto type = value_or<std::string>(job, "type", "");
    return type == "migration" || type == "verification";
}

ExitCode stop(Session& session, const Input& input) {
    const auto machine = session.api().get(vm_path(input.text("VM")));
    const auto job = json::find<Json>(machine, "job");
    if (!job || !is_sync(*job)) {
        throw Error(ErrorCode::conflict,
                    "no sync of " + value_or<std::string>(machine, "name", "the machine") + " is running",
                    {.consequence = "Nothing was changed.",
                     .remedy = "See what runs: migratekit job list --open",
                     .retry_safe = true});
    }
    const auto id = json::require<std::string>(*job, "job_id");
    const auto answer = session.api().post("/api/v1/jobs/" + id + "/cancel", Json::object());
    session.say("Asked it to stop; the last recovery point stays.");
    return started(session, input, {answer});
}

ExitCode list(Session& session, const Input& input) {
    const auto answer = session.api().get(input.has("--open") ? "/api/v1/jobs?open=true" : "/api/v1/jobs");
    auto table = sync_table();
    Json kept = Json::array();
    for (const auto& job : value_or<Json>(answer, "jobs", Json::array())) {
        if (is_sync(job)) {
            kept.push_back(job);
            table.rows.push_back(sync_row(job, session.now()));
        }
    }
    session.show({{"jobs", kept}}, table);
    return ExitCode::done;
}

std::vector<Option> start_options() {
    return with_wait(
        {{"--full", "", "copy everything anew; the last recovery point stays until the end"},
         {"--compare", "", "read everything, send only what differs: when change tracking is not to be trusted"},
         {"--priority", "NUMBER", "-100 to 100; higher ones get slots and bandwidth first"},
         {"--limit", "RATE", "no faster than this on the wire, e.g. 100Mbit or 12MiB"}});
}

}  // namespace

std::vector<Command> sync_commands() {
    return {
        {.words = "sync start",
         .summary = "Copies what changed, everything the first time.",
         .example = "migratekit sync start app-01 --wait",
         .arguments = {{"VM", "name, ctx- id or unique prefix", true}},
         .options = start_options(),
         .run = start},
        {.words = "sync verify",
         .summary = "Compares a copy with its source without moving data; exit code 10 when they differ.",
         .example = "migratekit sync verify app-01 --wait",
         .arguments = {{"VM", "name, ctx- id or unique prefix"}},
         .options = with_wait({{"--percent", "NUMBER", "share of what has not changed; 100 unless told otherwise"}}),
         .run = verify},
        {.words = "sync settings",
         .summary = "Shows, or with an option changes, what every sync does beside copying.",
         .example = "migratekit sync settings --compare-percent 5",
         .options = {{"--compare-percent", "NUMBER",
                      "share of what change tracking calls unchanged that is compared all the same; 0 to 100"}},
         .run = settings},
        {.words = "sync stop",
         .summary = "Stops the sync of a machine; its last recovery point stays.",
         .example = "migratekit sync stop app-01",
         .arguments = {{"VM", "name, ctx- id or unique prefix"}},
         .options = with_wait({}),
         .run = stop},
        {.words = "sync list",
         .summary = "Syncs that run and ran, newest first.",
         .example = "migratekit sync list --open",
         .options = {{"--open", "", "only what has not ended"}},
         .run = list},
        {.words = "sync show",
         .summary = "One sync with its steps and figures.",
         .example = "migratekit sync show 0190a2b4",
         .arguments = {{"JOB", "id or unique prefix of a recent one"}},
         .run = show_job}};
}

}  // namespace mk::cli

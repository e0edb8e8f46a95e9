// sync start, stop, list, show.

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/job_follower.hpp"
#include "cli/job_view.hpp"
#include "cli/several.hpp"

namespace mk::cli {

namespace {

using json::value_or;

ExitCode start(Session& session, const Input& input) {
    std::vector<Json> jobs;
    const auto code = for_each_item(session, input.list("VM"), [&](const std::string& machine) {
        jobs.push_back(session.api().post(vm_path(machine, "/sync"), {{"full", input.has("--full")}}));
    });
    return worse(code, started(session, input, jobs));
}

ExitCode stop(Session& session, const Input& input) {
    const auto machine = session.api().get(vm_path(input.text("VM")));
    const auto job = json::find<Json>(machine, "job");
    if (!job || value_or<std::string>(*job, "type", "") != "migration") {
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
    auto table = job_table();
    table.empty_text = "No sync.";
    Json kept = Json::array();
    for (const auto& job : value_or<Json>(answer, "jobs", Json::array())) {
        if (value_or<std::string>(job, "type", "") == "migration") {
            kept.push_back(job);
            table.rows.push_back(job_row(job, session.now()));
        }
    }
    session.show({{"jobs", kept}}, table);
    return ExitCode::done;
}

}  // namespace

std::vector<Command> sync_commands() {
    return {
        {.words = "sync start",
         .summary = "Copies what changed, everything the first time.",
         .example = "migratekit sync start app-01 --wait",
         .arguments = {{"VM", "name, ctx- id or unique prefix", true}},
         .options = with_wait({{"--full", "", "copy everything anew; the last recovery point stays until the end"}}),
         .run = start},
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

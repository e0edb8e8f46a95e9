// failover check, test, finish, extend, live, commit, back, show.

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "cli/failover_request.hpp"
#include "cli/failover_view.hpp"
#include "cli/job_follower.hpp"
#include "http/client.hpp"

namespace mk::cli {

namespace {

using json::value_or;

Json checked(Session& session, const Json& body) {
    auto& api = session.api();
    api.allow_long_calls();  // the guest's disks are looked at
    return api.post("/api/v1/failover/check", body);
}

ExitCode show_checks(Session& session, const Json& answer, bool live) {
    session.show(answer, checks_table(answer));
    if (const auto forecast = forecast_text(answer, live); !forecast.empty()) {
        session.say(forecast);
    }
    const bool passed = value_or<bool>(answer, "passed", false);
    session.say(passed ? "It can fail over." : "It cannot fail over now.");
    return passed ? ExitCode::done : ExitCode::refused;
}

ExitCode check_with(Session& session, const Json& body) {
    return show_checks(session, checked(session, body), value_or<bool>(body, "live", false));
}

ExitCode check(Session& session, const Input& input) {
    return check_with(session, check_request(input, input.text("VM")));
}

ExitCode test(Session& session, const Input& input) {
    const auto body = test_request(input, input.text("VM"));
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

ExitCode extend(Session& session, const Input& input) {
    const auto answer = session.api().post(
        "/api/v1/failover/extend",
        {{"context_id", input.text("VM")}, {"by_s", input.duration("--by").value_or(std::chrono::seconds{}).count()}});
    session.show(answer,
                 {.columns = {},
                  .rows = {},
                  .empty_text = "The test ends by itself at " + value_or<std::string>(answer, "rollback_at", "")});
    return ExitCode::done;
}

ExitCode live(Session& session, const Input& input) {
    const auto machine = session.api().get(vm_path(input.text("VM")));
    const auto name = json::require<std::string>(machine, "name");
    const auto body = live_request(input, json::require<std::string>(machine, "context_id"));
    if (input.has("--dry-run")) {
        return check_with(session, body);
    }
    std::string forecast;
    // A person is told how long the service will be away before the name is typed.
    if (!input.has("--confirm") && session.terminal().can_ask() && !session.is_json()) {
        const auto answer = checked(session, body);
        if (!value_or<bool>(answer, "passed", false)) {
            return show_checks(session, answer, true);
        }
        forecast = "\n" + forecast_text(answer, true);
    }
    const auto verdict = value_or<std::string>(machine, "last_test_verdict", "");
    require_confirmation(session, input, name,
                         "The source machine " + name +
                             " is shut down, its last changes are sent, and the copy is started in CloudStack.\n"
                             "Until the machine is started there, stopping the job starts the source again.\n"
                             "Last test: " +
                             (verdict.empty() ? "never tested" : verdict) + "." + forecast);
    return started(session, input, {session.api().post("/api/v1/failover/live", body)});
}

/// The id of the failover that is meant: of a machine the newest one.
std::string failover_of(Session& session, const std::string& words) {
    try {
        const auto machine = session.api().get(vm_path(words));
        const auto failover = json::find<Json>(machine, "failover");
        if (!failover) {
            throw Error(ErrorCode::not_found, value_or<std::string>(machine, "name", words) + " was never failed over",
                        {.consequence = "Nothing was changed.",
                         .remedy = "Test it: migratekit failover test " + words,
                         .retry_safe = true});
        }
        return json::require<std::string>(*failover, "job_id");
    } catch (const Error& error) {
        const bool may_be_job = error.code() == ErrorCode::not_found && words.find('-') != std::string::npos;
        if (!may_be_job) {
            throw;
        }
        return words;
    }
}

ExitCode show(Session& session, const Input& input) {
    const auto job = failover_of(session, input.text("VM|JOB"));
    const auto report = session.api().get("/api/v1/failover/jobs/" + http::url_encode(job));
    if (session.is_json()) {
        session.show_document(report);
    } else {
        session.write(report_text(report, session.now()));
    }
    return ExitCode::done;
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

Command test_command() {
    auto options = test_options();
    options.push_back({"--dry-run", "", "only show the checks"});
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
    return {
        {.words = "failover check",
         .summary = "Whether the machine can fail over and how long it will take; changes nothing. Exit code 5 when "
                    "it cannot.",
         .example = "migratekit failover check pg-db-01 --live",
         .arguments = {{"VM", "name, ctx- id or unique prefix"}},
         .options = check_options(),
         .run = check},
        test_command(),
        {.words = "failover finish",
         .summary = "Ends a test: keeps the verdict and rolls back.",
         .example = "migratekit failover finish pg-db-01 --verdict worked --note 'log-in checked' --wait",
         .arguments = {{"VM", "name, ctx- id or unique prefix"}},
         .options = with_wait(
             {{"--verdict", "VERDICT", "worked, failed or none", true}, {"--note", "TEXT", "kept with the verdict"}}),
         .run = finish},
        {.words = "failover extend",
         .summary = "Moves the end of a running test.",
         .example = "migratekit failover extend pg-db-01 --by 2h",
         .arguments = {{"VM", "name, ctx- id or unique prefix"}},
         .options = {{"--by", "TIME", "how much longer it lasts, e.g. 2h", true}},
         .run = extend},
        live_command(),
        ending_command("failover commit",
                       "Ends a live failover for good: its snapshots are deleted, the machine stays in CloudStack.",
                       "migratekit failover commit pg-db-01 --confirm pg-db-01 --wait", commit),
        ending_command("failover back", "Takes a live failover back: cloud machine off, copy reverted, source on.",
                       "migratekit failover back pg-db-01 --confirm pg-db-01 --wait", go_back),
        {.words = "failover show",
         .summary = "Everything about a failover: recovery point, machine, steps, boot, verdict, commands.",
         .example = "migratekit failover show pg-db-01",
         .arguments = {{"VM|JOB", "a machine, whose newest failover is meant, or a failover's job"}},
         .run = show}};
}

}  // namespace mk::cli

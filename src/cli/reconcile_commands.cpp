// volume reconcile.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "cli/figures.hpp"
#include "cli/job_follower.hpp"
#include "cli/session.hpp"

namespace mk::cli {

namespace {

using json::value_or;

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

Json findings_of(const Json& report) {
    return value_or<Json>(report, "findings", Json::array());
}

bool needs_person(const Json& finding) {
    return text(finding, "action") == "review" || value_or<bool>(finding, "needs_confirmation", false);
}

std::string action_of(const Json& finding) {
    return text(finding, "action") + (value_or<bool>(finding, "needs_confirmation", false) ? ", with its id" : "");
}

Table finding_table() {
    return {.columns = {{"AGE"},
                        {"FINDING"},
                        {.title = "OBJECT", .flexible = true},
                        {.title = "WHY", .flexible = true},
                        {"ACTION"},
                        {"ID"},
                        {.title = "VM", .wide = true},
                        {.title = "SITE", .wide = true},
                        {.title = "FINDING ID", .wide = true}},
            .rows = {},
            .empty_text = "Everything is accounted for."};
}

std::vector<std::string> finding_row(const Json& finding, Instant now) {
    const auto since = parse_instant(text(finding, "first_seen_at"));
    return {since ? age(*since, now) : "",
            text(finding, "kind"),
            text(finding, "object_kind") + " " + text(finding, "object_name"),
            text(finding, "detail"),
            action_of(finding),
            text(finding, "object_id"),
            text(finding, "machine"),
            text(finding, "site"),
            text(finding, "id")};
}

/// 0 when everything is accounted for as far as could be seen, else 7.
ExitCode verdict_of(const Json& report) {
    const auto unreachable = value_or<Json>(report, "unreachable", Json::array());
    return findings_of(report).empty() && unreachable.empty() ? ExitCode::done : ExitCode::job_warning;
}

ExitCode show(Session& session, const Json& report) {
    auto table = finding_table();
    for (const auto& finding : findings_of(report)) {
        table.rows.push_back(finding_row(finding, session.now()));
    }
    const auto last = parse_instant(text(report, "last_run"));
    if (!last) {
        table.empty_text = "Nothing was compared yet: migratekit volume reconcile --run";
    }
    session.show(report, table);
    for (const auto& one : value_or<Json>(report, "unreachable", Json::array())) {
        session.say(text(one, "name") + " could not be asked, its findings are older: " + text(one, "problem"));
    }
    if (last) {
        session.say("Compared " + age(*last, session.now()) + ".");
    }
    return last ? verdict_of(report) : ExitCode::job_warning;
}

Json run(Session& session) {
    session.api().allow_long_calls();
    return session.api().post("/api/v1/reconcile/run", Json::object());
}

/// By the object's id, or the finding's.
Json finding_named(const Json& report, const std::string& words) {
    for (const auto& finding : findings_of(report)) {
        if (text(finding, "object_id") == words || text(finding, "id") == words) {
            return finding;
        }
    }
    throw Error(ErrorCode::not_found, "there is no finding about '" + words + "'",
                {.consequence = "Nothing was changed.",
                 .remedy = "List them: migratekit volume reconcile",
                 .retry_safe = true});
}

ExitCode apply_one(Session& session, const Input& input, const Json& report) {
    const auto finding = finding_named(report, input.text("--remove"));
    Json body = Json::object();
    if (value_or<bool>(finding, "needs_confirmation", false) || input.has("--confirm")) {
        const auto object = text(finding, "object_id");
        require_confirmation(session, input, object,
                             text(finding, "object_kind") + " " + text(finding, "object_name") + ": " +
                                 text(finding, "detail") + ".\nIt may hold data; this cannot be undone.",
                             "object");
        body["confirm"] = object;
    }
    return started(session, input, {session.api().post("/api/v1/reconcile/" + text(finding, "id") + "/apply", body)});
}

/// Everything that needs no person, one after the other; then what is left.
ExitCode apply_all(Session& session, const Input& input, const Json& report) {
    auto worst = ExitCode::done;
    for (const auto& finding : findings_of(report)) {
        if (needs_person(finding)) {
            continue;
        }
        session.say(text(finding, "action") + " " + text(finding, "object_kind") + " " + text(finding, "object_name"));
        try {
            const auto answer =
                session.api().post("/api/v1/reconcile/" + text(finding, "id") + "/apply", Json::object());
            worst = worse(worst, wait_for_jobs(session, {json::require<std::string>(answer, "job_id")},
                                               input.duration("--timeout")));
        } catch (const Error& error) {
            // One that cannot be applied now must not keep the others waiting.
            if (error.code() != ErrorCode::conflict && error.code() != ErrorCode::not_found) {
                throw;
            }
            session.say(error.full_text());
            worst = worse(worst, ExitCode::job_warning);
        }
    }
    return worse(worst, show(session, session.api().get("/api/v1/reconcile")));
}

ExitCode reconcile(Session& session, const Input& input) {
    if (input.has("--apply") && input.has("--remove")) {
        throw Error(ErrorCode::invalid, "--apply and --remove exclude each other",
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
    if (input.has("--confirm") && !input.has("--remove")) {
        throw Error(ErrorCode::invalid, "--confirm belongs to --remove",
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
    const auto report = input.has("--run") ? run(session) : session.api().get("/api/v1/reconcile");
    if (input.has("--remove")) {
        return apply_one(session, input, report);
    }
    return input.has("--apply") ? apply_all(session, input, report) : show(session, report);
}

}  // namespace

std::vector<Command> reconcile_commands() {
    return {{.words = "volume reconcile",
             .summary =
                 "What exists and nobody needs, is missing or was changed, at both sites. Exit code 7 when there is "
                 "any.",
             .example = "migratekit volume reconcile --run",
             .options = with_wait({{"--run", "", "compare now; without it the last findings are shown"},
                                   {"--apply", "", "do what is proposed, except for what a person must decide"},
                                   {"--remove", "ID", "apply the finding about the object with this id"},
                                   {"--confirm", "ID", "the object's id again; asked for on a terminal"}}),
             .run = reconcile}};
}

}  // namespace mk::cli

// status, version, api, ledger, token.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "cli/figures.hpp"
#include "os/file.hpp"

namespace mk::cli {

namespace {

using json::value_or;

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

ExitCode show_status(Session& session, const Input&) {
    const auto status = session.api().get("/api/v1/status");
    Table table{.columns = {{"SERVICE"},
                            {"STATE"},
                            {"VERSION"},
                            {.title = "ADDRESS", .flexible = true},
                            {.title = "PROBLEM", .flexible = true}},
                .rows = {{"OMA", "Running", text(status, "version"), "", ""}},
                .empty_text = {}};
    bool all_reachable = true;
    for (const auto& peer : value_or<Json>(status, "peers", Json::array())) {
        const bool reachable = value_or<bool>(peer, "reachable", false);
        all_reachable = all_reachable && reachable;
        table.rows.push_back({text(peer, "name"), reachable ? "Reachable" : "Not reachable", text(peer, "version"),
                              text(peer, "address"), text(peer, "problem")});
    }
    session.show(status, table);
    return all_reachable ? ExitCode::done : ExitCode::failed;
}

ExitCode show_version(Session& session, const Input&) {
    auto table = facts_table();
    table.rows = {{"migratekit", MK_VERSION}};
    session.show({{"version", MK_VERSION}}, table);
    return ExitCode::done;
}

Json body_of(Session& session, const Input& input) {
    if (!input.has("--file")) {
        return Json::object();
    }
    const auto path = input.text("--file");
    try {
        return json::parse(path == "-" ? read_stdin(session.stop()) : os::read_file(path));
    } catch (const Error& error) {
        throw Error(
            ErrorCode::invalid, path + ": " + error.cause(),
            {.consequence = "Nothing was sent.", .remedy = "Name a JSON file, or - for stdin.", .retry_safe = true});
    }
}

ExitCode call_api(Session& session, const Input& input) {
    auto method = input.text("METHOD");
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    const auto path = input.text("PATH");
    if (!path.starts_with('/')) {
        throw Error(ErrorCode::invalid, "the path must begin with a slash",
                    {.consequence = "Nothing was sent.", .remedy = "For example /api/v1/vms.", .retry_safe = true});
    }
    auto& api = session.api();
    api.allow_long_calls();
    if (method == "GET") {
        session.show_document(api.get(path));
    } else if (method == "POST") {
        session.show_document(api.post(path, body_of(session, input)));
    } else if (method == "PUT") {
        session.show_document(api.put(path, body_of(session, input)));
    } else if (method == "PATCH") {
        session.show_document(api.patch(path, body_of(session, input)));
    } else if (method == "DELETE") {
        session.show_document(api.remove(path));
    } else {
        throw Error(
            ErrorCode::invalid, "there is no method '" + method + "'",
            {.consequence = "Nothing was sent.", .remedy = "Use GET, POST, PUT, PATCH or DELETE.", .retry_safe = true});
    }
    return ExitCode::done;
}

ExitCode list_ledger(Session& session, const Input&) {
    const auto answer = session.api().get("/api/v1/ledger");
    Table table{.columns = {{.title = "NAME", .flexible = true},
                            {"SITE"},
                            {"KIND"},
                            {"STATE"},
                            {"AGE"},
                            {.title = "OBJECT ID", .wide = true},
                            {.title = "CONTEXT ID", .wide = true},
                            {.title = "JOB", .wide = true}},
                .rows = {},
                .empty_text = "Nothing of ours exists on either side."};
    for (const auto& entry : value_or<Json>(answer, "entries", Json::array())) {
        const auto created = parse_instant(text(entry, "created_at"));
        table.rows.push_back({text(entry, "name"), text(entry, "site"), text(entry, "kind"), text(entry, "state"),
                              created ? age(*created, session.now()) : "", text(entry, "object_id"),
                              text(entry, "context_id"), text(entry, "job_id")});
    }
    session.show(answer, table);
    return ExitCode::done;
}

ExitCode create_token(Session& session, const Input& input) {
    const auto answer =
        session.api().post("/api/v1/tokens", {{"name", input.text("NAME")}, {"role", input.text("--role")}});
    session.say("The token of '" + input.text("NAME") + "' is shown this once only:");
    if (session.is_json()) {
        session.show_document(answer);
    } else {
        session.write(json::require<std::string>(answer, "token") + "\n");
    }
    return ExitCode::done;
}

}  // namespace

std::vector<Command> appliance_commands() {
    return {{.words = "status",
             .summary = "How the OMA and its neighbours are; fails when one does not answer.",
             .example = "migratekit status",
             .run = show_status},
            {.words = "version",
             .summary = "The version of this program.",
             .example = "migratekit version",
             .run = show_version},
            {.words = "api",
             .summary = "Calls the API as it is (api/oma.yaml) and shows the answer as JSON.",
             .example = "migratekit api GET /api/v1/vms",
             .arguments = {{"METHOD", "GET, POST, PUT, PATCH or DELETE"},
                           {"PATH", "path and query, e.g. /api/v1/jobs?open=true"}},
             .options = {{"-f,--file", "FILE", "JSON body; - reads stdin"}},
             .run = call_api},
            {.words = "ledger list",
             .summary = "Snapshots, volumes and machines that exist because of us.",
             .example = "migratekit ledger list -o wide",
             .run = list_ledger},
            {.words = "token create",
             .summary = "Makes a token and prints it once.",
             .example = "migratekit token create backup-script --role operator > token",
             .arguments = {{"NAME", "who will use it"}},
             .options = {{"--role", "ROLE", "viewer, operator or administrator", true}},
             .run = create_token}};
}

}  // namespace mk::cli

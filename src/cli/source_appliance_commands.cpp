// appliance list, show, pair, retire: the VMAs at the source sites.

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "cli/figures.hpp"
#include "cli/pairing_wait.hpp"
#include "cli/session.hpp"

namespace mk::cli {

namespace {

using json::value_or;

constexpr const char* path = "/api/v1/appliances";

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

std::string path_of(const std::string& words) {
    return std::string(path) + "/" + http::url_encode(words);
}

std::string state_of(const Json& appliance) {
    return value_or<bool>(appliance, "reachable", false) ? "Reachable" : "Not reachable";
}

std::string round_trip_of(const Json& appliance) {
    const auto took = json::find<std::int64_t>(appliance, "round_trip_ms");
    return took ? std::to_string(*took) + " ms" : "";
}

std::string version_of(const Json& appliance) {
    const auto version = text(appliance, "version");
    const auto matches = json::find<bool>(appliance, "version_matches");
    return version.empty() || matches.value_or(true) ? version : version + ", not this OMA's";
}

ExitCode list(Session& session, const Input&) {
    const auto answer = session.api().get(path);
    Table table{.columns = {{.title = "NAME", .flexible = true},
                            {"STATE"},
                            {"VERSION"},
                            {"ROUND TRIP", true},
                            {"PAIRED"},
                            {"USED"},
                            {.title = "PROBLEM", .flexible = true},
                            {.title = "ID", .wide = true},
                            {.title = "FINGERPRINT", .wide = true}},
                .rows = {},
                .empty_text = "No appliance is paired yet. Pair one: migratekit appliance pair"};
    for (const auto& appliance : value_or<Json>(answer, "appliances", Json::array())) {
        const auto paired = parse_instant(text(appliance, "paired_at"));
        table.rows.push_back({text(appliance, "name"), state_of(appliance), version_of(appliance),
                              round_trip_of(appliance), paired ? age(*paired, session.now()) : "",
                              value_or<bool>(appliance, "used", false) ? "yes" : "no", text(appliance, "problem"),
                              text(appliance, "appliance_id"), text(appliance, "fingerprint_for_people")});
    }
    session.show(answer, table);
    return ExitCode::done;
}

ExitCode show(Session& session, const Input& input) {
    const auto appliance = session.api().get(path_of(input.text("APPLIANCE")));
    auto table = facts_table();
    table.rows = {
        {"Name", text(appliance, "name")}, {"Id", text(appliance, "appliance_id")}, {"State", state_of(appliance)}};
    if (const auto problem = text(appliance, "problem"); !problem.empty()) {
        table.rows.push_back({"Problem", problem});
    }
    if (const auto version = version_of(appliance); !version.empty()) {
        table.rows.push_back({"Version", version});
        table.rows.push_back({"Round trip", round_trip_of(appliance)});
    }
    table.rows.push_back({"Paired", text(appliance, "paired_at")});
    table.rows.push_back({"Used", value_or<bool>(appliance, "used", false) ? "yes, syncs go through it" : "no"});
    table.rows.push_back({"Fingerprint", text(appliance, "fingerprint_for_people")});
    session.show(appliance, table);
    return ExitCode::done;
}

void show_invitation(Session& session, const Json& invitation) {
    auto table = facts_table();
    const auto until = text(invitation, "expires_at");
    table.rows = {{"Code", text(invitation, "code")},
                  {"Valid until", parse_instant(until) ? until.substr(11, 8) + " UTC, for one use" : until},
                  {"Fingerprint of this OMA", text(invitation, "fingerprint_for_people")}};
    session.show(invitation, table);
    session.say(
        "At the VMA run: migratekit-tunnel pair --config /etc/migratekit/tunnel-client.toml --gateway "
        "ADDRESS-OF-THIS-OMA:443");
    session.say("It asks for the code and then shows the fingerprints of both sides. Compare them.");
}

/// Both fingerprints: only a person who sees both sides can tell that nobody is between them.
ExitCode show_paired(Session& session, const Json& invitation, const Json& appliance) {
    if (session.is_json()) {
        session.show_line({{"type", "result"}, {"status", "paired"}, {"exit_code", 0}, {"appliance", appliance}});
        return ExitCode::done;
    }
    auto table = facts_table();
    table.rows = {{"Paired with", text(appliance, "name")},
                  {"Id", text(appliance, "appliance_id")},
                  {"Fingerprint of the VMA", text(appliance, "fingerprint_for_people")},
                  {"Fingerprint of this OMA", text(invitation, "fingerprint_for_people")}};
    session.show(appliance, table);
    session.say("The VMA shows the same two. If it does not, somebody is between: migratekit appliance retire '" +
                text(appliance, "appliance_id") + "'");
    return ExitCode::done;
}

ExitCode pair(Session& session, const Input& input) {
    auto& api = session.api();
    const auto before = api.get(path);
    const auto invitation = api.post(std::string(path) + "/pairings", Json::object());
    if (input.has("--no-wait")) {
        show_invitation(session, invitation);
        return ExitCode::done;
    }
    if (session.is_json()) {
        auto line = invitation;
        line["type"] = "invitation";
        session.show_line(line);
    } else {
        show_invitation(session, invitation);
        session.say("Waiting for the VMA; Ctrl C stops waiting, the code stays valid.");
    }
    const auto waited = wait_for_pairing(session, before);
    if (waited.appliance) {
        return show_paired(session, invitation, *waited.appliance);
    }
    const auto code = waited.is_interrupted ? ExitCode::interrupted : ExitCode::wait_timeout;
    if (session.is_json()) {
        session.show_line({{"type", "result"},
                           {"status", waited.is_interrupted ? "detached" : "expired"},
                           {"exit_code", static_cast<int>(code)},
                           {"appliance", nullptr}});
    }
    session.say(waited.is_interrupted
                    ? "Not waiting any more. See who is paired: migratekit appliance list"
                    : "No VMA was paired: the code has expired, or was withdrawn because wrong ones were tried.");
    return code;
}

std::string consequences_of_retiring(const Json& appliance) {
    const auto name = text(appliance, "name");
    return name + " (" + text(appliance, "appliance_id") +
           ") is not trusted any more: its connections are cut and new ones refused." +
           (value_or<bool>(appliance, "used", false)
                ? "\nSyncs go through it; there are none until an appliance is paired. Recovery points stay."
                : "") +
           "\nTo use it again it must be paired anew.";
}

ExitCode retire(Session& session, const Input& input) {
    auto& api = session.api();
    const auto appliance = api.get(path_of(input.text("APPLIANCE")));
    const auto name = text(appliance, "name");
    require_confirmation(session, input, name, consequences_of_retiring(appliance), "appliance");
    const auto answer =
        api.remove(path_of(text(appliance, "appliance_id")) + (input.has("--force") ? "?force=true" : ""));
    session.show(answer, {.columns = {}, .rows = {}, .empty_text = "Retired " + name + "."});
    return ExitCode::done;
}

}  // namespace

std::vector<Command> source_appliance_commands() {
    const Argument appliance{"APPLIANCE", "name, id or unique prefix"};
    return {{.words = "appliance list",
             .summary = "The VMAs that are paired with this OMA, asked now.",
             .example = "migratekit appliance list -o wide",
             .run = list},
            {.words = "appliance show",
             .summary = "One VMA: whether it answers, its version, its fingerprint.",
             .example = "migratekit appliance show vma-leeds",
             .arguments = {appliance},
             .run = show},
            {.words = "appliance pair",
             .summary = "Makes a code for one VMA and waits until it is used.",
             .example = "migratekit appliance pair",
             .options = {{"--no-wait", "", "show the code and end"}},
             .run = pair},
            {.words = "appliance retire",
             .summary = "Ends the pairing with a VMA and cuts its connections.",
             .example = "migratekit appliance retire vma-leeds --confirm vma-leeds",
             .arguments = {appliance},
             .options = {{"--confirm", "NAME", "the appliance's name, instead of typing it"},
                         {"--force", "", "even while jobs go through it: they fail, recovery points stay"}},
             .run = retire}};
}

}  // namespace mk::cli

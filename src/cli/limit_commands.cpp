// limit show, set.

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/figures.hpp"
#include "cli/limit_text.hpp"
#include "cli/session.hpp"

namespace mk::cli {

namespace {

using json::value_or;

constexpr const char* path = "/api/v1/settings/bandwidth";

void show_limits(Session& session, const Json& answer) {
    Table table{.columns = {{"WHEN"}, {"LIMIT"}}, .rows = {}, .empty_text = {}};
    const auto now = value_or<Json>(answer, "now", Json::object());
    const auto window = json::find<Json>(now, "window");
    table.rows.push_back({"now, " + value_or<std::string>(now, "local_time", ""),
                          limit_text(now) + (window ? ", until " + value_or<std::string>(*window, "to", "") : "")});
    const auto windows = value_or<Json>(answer, "windows", Json::array());
    for (const auto& one : windows) {
        table.rows.push_back({window_text(one), limit_text(one)});
    }
    table.rows.push_back({windows.empty() ? "always" : "otherwise", limit_text(answer)});
    session.show(answer, table);
}

ExitCode show(Session& session, const Input&) {
    show_limits(session, session.api().get(path));
    return ExitCode::done;
}

/// The API stores limit and windows at once: what is not named keeps what it was.
ExitCode set(Session& session, const Input& input) {
    const bool has_windows = input.has("--window");
    if (!input.has("--limit") && !has_windows && !input.has("--no-windows")) {
        throw Error(ErrorCode::invalid, "name --limit RATE, --window WINDOW, --no-windows or several of them",
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
    if (has_windows && input.has("--no-windows")) {
        throw Error(ErrorCode::invalid, "--window and --no-windows exclude each other",
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
    Json windows = Json::array();
    for (const auto& text : input.list("--window")) {
        windows.push_back(window_from(text));
    }
    const auto limit = input.has("--limit") ? parse_rate(input.text("--limit"), "--limit") : 0;
    const auto before = session.api().get(path);
    Json body = {{"bytes_per_second", json::or_null(json::find<Bytes>(before, "bytes_per_second"))},
                 {"windows", value_or<Json>(before, "windows", Json::array())}};
    if (input.has("--limit")) {
        body["bytes_per_second"] = limit == 0 ? Json(nullptr) : Json(limit);
    }
    if (has_windows || input.has("--no-windows")) {
        body["windows"] = windows;
    }
    show_limits(session, session.api().put(path, body));
    return ExitCode::done;
}

}  // namespace

std::vector<Command> limit_commands() {
    return {{.words = "limit show",
             .summary = "How fast copies may go between the sites, now and in the daily windows.",
             .example = "migratekit limit show",
             .run = show},
            {.words = "limit set",
             .summary = "Sets the limit of all copies together; running ones follow at once.",
             .example = "migratekit limit set --limit none --window 'mon-fri 08:00-18:00 100Mbit'",
             .options =
                 {{"--limit", "RATE", "outside of the windows, e.g. 100Mbit, 12MB, 12MiB or none"},
                  {"--window", "WINDOW",
                   "days, times and rate, e.g. 'daily 22:00-06:00 none', in the appliance's local time; replaces all "
                   "windows",
                   false, true},
                  {"--no-windows", "", "the limit counts at all times"}},
             .run = set}};
}

}  // namespace mk::cli

#include "cli/failover_view.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/json_fields.hpp"
#include "cli/figures.hpp"
#include "cli/job_view.hpp"
#include "cli/progress_text.hpp"

namespace mk::cli {

using json::value_or;

namespace {

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

Json list(const Json& object, const char* field) {
    return value_or<Json>(object, field, Json::array());
}

/// "4 min", "40 s": a forecast is no measurement.
std::string about(std::int64_t seconds) {
    constexpr std::int64_t minute = 60;
    if (seconds < 2 * minute) {
        return std::to_string(seconds) + " s";
    }
    return format_duration(std::chrono::minutes{(seconds + minute - 1) / minute});
}

void add(Table& table, const std::string& title, const std::string& value) {
    if (!value.empty()) {
        table.rows.push_back({title, value});
    }
}

std::string joined(const Json& words) {
    std::string all;
    for (const auto& word : words) {
        all += (all.empty() ? "" : ", ") + (word.is_string() ? word.get<std::string>() : json::dump(word));
    }
    return all;
}

std::string point_line(const Json& report) {
    const auto point = json::find<Json>(report, "recovery_point");
    auto id = text(report, "recovery_point_id");
    if (!point) {
        return id;
    }
    return id + ", of " + text(*point, "snapshot_time") + ", " + text(*point, "consistency") + "-consistent" +
           (value_or<bool>(report, "accept_unverified", false) ? ", accepted although unverified" : "");
}

std::string nics_line(const Json& report) {
    std::string all;
    for (const auto& nic : list(report, "nics")) {
        const auto mac = text(nic, "mac");
        const auto address = text(nic, "address");
        all += (all.empty() ? "" : "; ") + text(nic, "network_id") + (mac.empty() ? "" : " " + mac) +
               (address.empty() ? "" : " " + address);
    }
    return all;
}

std::string end_line(const Json& report, Instant now) {
    const auto at = text(report, "rollback_at");
    const auto when = parse_instant(at);
    if (!when) {
        return "";
    }
    return at + (*when > now ? ", in " + format_duration(*when - now) : "");
}

Table facts(const Json& report, Instant now) {
    auto table = facts_table();
    const auto kind = text(report, "job_type") + (value_or<bool>(report, "on_clones", false) ? ", on clones" : "");
    const auto machine = text(report, "destination_vm_name");
    const auto id = text(report, "destination_vm_id");
    add(table, "Failover", text(report, "job_id"));
    add(table, "Machine", text(report, "machine"));
    add(table, "Kind", kind);
    add(table, "Status", text(report, "status"));
    add(table, "Began", text(report, "created_at"));
    add(table, "Recovery point", point_line(report));
    add(table, "In the cloud", machine + (id.empty() ? "" : " (" + id + ")"));
    add(table, "Network cards", nics_line(report));
    add(table, "Rolls back by itself", end_line(report, now));
    add(table, "Probes", joined(list(report, "probes")));
    add(table, "Expected", text(report, "expect"));
    add(table, "Boot", text(report, "boot_verdict"));
    add(table, "Boot evidence", text(report, "boot_evidence"));
    add(table, "Verdict", text(report, "verdict"));
    add(table, "Verdict note", text(report, "verdict_note"));
    return table;
}

std::string steps_text(const Json& report, Instant now) {
    const auto job = json::find<Json>(report, "job");
    return job ? "\nSteps\n" + steps_of(*job, now) : "";
}

std::string observations_text(const Json& report) {
    Table table{.columns = {{"SEEN AT"}, {"PROBE"}, {"PROOF"}, {"WHAT"}}, .rows = {}, .empty_text = {}};
    for (const auto& seen : list(report, "boot_observations")) {
        table.rows.push_back({text(seen, "at"), text(seen, "probe"),
                              value_or<bool>(seen, "is_proof", false) ? "yes" : "no", text(seen, "text")});
    }
    return table.rows.empty() ? "" : "\nWhat was seen of the boot\n" + render_text(table, false, 0);
}

std::string commands_text(const Json& report) {
    Table table{
        .columns = {{"SENT AT"}, {"BY"}, {"COMMAND"}, {"ABOUT"}, {"STATE"}, {"JOB"}}, .rows = {}, .empty_text = {}};
    for (const auto& command : list(report, "commands")) {
        table.rows.push_back({text(command, "at"), text(command, "process"), text(command, "command"),
                              text(command, "object"), text(command, "state"), text(command, "async_job_id")});
    }
    return table.rows.empty() ? "" : "\nCommands to CloudStack\n" + render_text(table, false, 0);
}

}  // namespace

Table checks_table(const Json& answer) {
    Table table{.columns = {{"CHECK"},
                            {.title = "RESULT", .flexible = true},
                            {.title = "REMEDY", .flexible = true},
                            {.title = "CODE", .wide = true}},
                .rows = {},
                .empty_text = "No check has anything to say."};
    for (const auto& finding : list(answer, "checks")) {
        const auto severity = text(finding, "severity");
        table.rows.push_back({severity == "blocker" ? "blocked"
                              : severity == "note"  ? "ok"
                                                    : severity,
                              text(finding, "text"), text(finding, "remedy"), text(finding, "code")});
    }
    return table;
}

std::string forecast_text(const Json& answer, bool live) {
    const auto forecast = json::find<Json>(answer, "forecast");
    if (!forecast) {
        return "";
    }
    const auto span = [](const Json& part) {
        return about(value_or<std::int64_t>(part, "likely_s", 0)) + ", at most " +
               about(value_or<std::int64_t>(part, "at_most_s", 0));
    };
    auto shown = (live ? "The service will be away for about " : "The test machine will run after about ") +
                 span(*forecast) + ".";
    for (const auto& part : list(*forecast, "parts")) {
        shown +=
            "\n  " + printable(text(part, "title")) + ": " + span(part) + " (" + printable(text(part, "reason")) + ")";
    }
    return shown;
}

std::string plan_text(const Json& plan) {
    std::string shown;
    for (const auto& step : list(plan, "steps")) {
        const auto problem = text(step, "problem");
        const auto actions = list(step, "actions");
        if (actions.empty() && problem.empty()) {
            continue;
        }
        shown += printable(text(step, "title")) + "\n";
        for (const auto& action : actions) {
            const auto id = text(action, "object_id");
            const auto what = text(action, "text");
            const bool has_id = id.empty() || what.find(id) != std::string::npos;
            shown += std::string(value_or<bool>(action, "is_removal", false) ? "  - " : "  * ") + printable(what) +
                     (has_id ? "" : " (" + printable(id) + ")") + "\n";
        }
        if (!problem.empty()) {
            shown += "  ? " + printable(problem) + "\n";
        }
    }
    return shown.empty() ? "Nothing is left to do.\n" : shown;
}

std::string report_text(const Json& report, Instant now) {
    return render_text(facts(report, now), false, 0) + steps_text(report, now) + observations_text(report) +
           commands_text(report);
}

}  // namespace mk::cli

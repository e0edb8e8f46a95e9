#include "cli/job_view.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "cli/figures.hpp"
#include "cli/progress_text.hpp"
#include "cli/sync_view.hpp"

namespace mk::cli {

using json::value_or;

namespace {

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

std::string duration_of(const Json& job, Instant now) {
    const auto from = parse_instant(text(job, "started_at"));
    const auto until = parse_instant(text(job, "completed_at"));
    return from ? format_duration(std::max(std::chrono::milliseconds::zero(), until.value_or(now) - *from)) : "";
}

std::string operation_of(const Json& job) {
    const auto operation = text(job, "operation");
    return operation.empty() ? text(job, "type") : operation;
}

void add_failover_facts(Table& table, const Json& job) {
    const auto failover = json::find<Json>(job, "failover");
    if (!failover) {
        return;
    }
    const std::pair<const char*, const char*> facts[] = {
        {"Machine", "destination_vm_name"},      {"Machine id", "destination_vm_id"},
        {"Recovery point", "recovery_point_id"}, {"Boot", "boot_verdict"},
        {"Boot evidence", "boot_evidence"},      {"Verdict", "verdict"},
        {"Verdict note", "verdict_note"}};
    for (const auto& [title, field] : facts) {
        if (const auto value = text(*failover, field); !value.empty()) {
            table.rows.push_back({title, value});
        }
    }
}

}  // namespace

Table job_table() {
    return {.columns = {{"JOB"},
                        {.title = "MACHINE", .flexible = true},
                        {"OPERATION"},
                        {"STATUS"},
                        {"DONE", true},
                        {"STARTED"},
                        {"TOOK"},
                        {.title = "BY", .wide = true},
                        {.title = "CONTEXT ID", .wide = true}},
            .rows = {},
            .empty_text = "No job."};
}

std::vector<std::string> job_row(const Json& job, Instant now) {
    const auto created = parse_instant(text(job, "created_at"));
    return {text(job, "job_id"),
            text(job, "machine"),
            operation_of(job),
            text(job, "status"),
            std::to_string(value_or<int>(job, "percent", 0)) + "%",
            created ? age(*created, now) : "",
            duration_of(job, now),
            text(job, "owner"),
            text(job, "context_id")};
}

std::string job_text(const Json& job, Instant now) {
    auto table = facts_table();
    table.rows = {
        {"Job", text(job, "job_id")},
        {"Machine", text(job, "machine")},
        {"Operation", operation_of(job) + ", by " + text(job, "owner")},
        {"Status", text(job, "status") + ", " + std::to_string(value_or<int>(job, "percent", 0)) + "%" +
                       (value_or<bool>(job, "cancel_requested", false) && !is_final(job) ? ", asked to stop" : "")},
        {"Took", duration_of(job, now)}};
    add_copy_facts(table, job);
    add_verification_facts(table, job);
    add_failover_facts(table, job);
    if (const auto error = json::find<Json>(job, "error")) {
        table.rows.push_back({"Error", text(*error, "message")});
        table.rows.push_back({"Consequence", text(*error, "consequence")});
        table.rows.push_back({"Remedy", text(*error, "remedy")});
    }
    return render_text(table, false, 0) + steps_of(job, now);
}

std::string steps_of(const Json& job, Instant now) {
    std::string shown;
    for (const auto& step : value_or<Json>(job, "steps", Json::array())) {
        if (value_or<bool>(step, "point_of_no_return", false)) {
            shown += "      -- point of no return: from here on commit or go back --\n";
        }
        const bool pending = text(step, "status") == "pending";
        shown += step_line(job, step, now) + (pending ? "  pending" : "") + "\n";
    }
    return shown;
}

std::string event_line(const Json& event) {
    const auto at = text(event, "at");
    const auto time = parse_instant(at) ? at.substr(11, 8) : at;
    return printable(time + " " + pad(text(event, "level"), 5) + " " + text(event, "message"));
}

int level_rank(std::string word) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    constexpr std::array levels{"DEBUG", "INFO", "WARN", "ERROR"};
    for (std::size_t i = 0; i < levels.size(); ++i) {
        if (word == levels[i]) {
            return static_cast<int>(i);
        }
    }
    throw Error(
        ErrorCode::invalid, "there is no level '" + word + "'",
        {.consequence = "Nothing was changed.", .remedy = "Use debug, info, warn or error.", .retry_safe = true});
}

}  // namespace mk::cli

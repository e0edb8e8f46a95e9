#include "cli/sync_view.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "cli/figures.hpp"
#include "cli/job_view.hpp"

namespace mk::cli {

using json::value_or;

namespace {

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

Bytes bytes(const Json& object, const char* field) {
    return value_or<Bytes>(object, field, 0);
}

Json disks_of(const Json& object) {
    return value_or<Json>(object, "disks", Json::array());
}

Bytes sum_of(const Json& object, const char* field) {
    Bytes sum = 0;
    for (const auto& disk : disks_of(object)) {
        sum += bytes(disk, field);
    }
    return sum;
}

/// "33 %": rounded, and never "0 %" or "100 %" of what is neither.
std::string share(Bytes part, Bytes whole) {
    if (whole == 0) {
        return "";
    }
    const auto percent = static_cast<double>(part) / static_cast<double>(whole) * 100;
    return percent > 0 && percent < 1 ? "under 1 %" : fmt::format("{:.0f} %", percent);
}

std::string with_share(Bytes part, Bytes changed) {
    const auto of_changed = share(part, changed);
    return format_bytes(part) + (of_changed.empty() ? "" : ", " + of_changed + " of what changed");
}

/// What only the recovery point knows.
void add_point_facts(Table& table, const Json& point) {
    if (const auto resumed = sum_of(point, "bytes_resumed"); resumed != 0) {
        table.rows.push_back({"Taken over", format_bytes(resumed) + " from a sync that was interrupted"});
    }
    if (const auto compared = sum_of(point, "bytes_compared"); compared != 0) {
        const auto different = sum_of(point, "bytes_different");
        table.rows.push_back(
            {"Compared", format_bytes(compared) + (different == 0 ? ", no difference"
                                                                  : ", " + format_bytes(different) +
                                                                        " differed and were sent: change tracking "
                                                                        "had not told them")});
    }
    if (const auto verified = sum_of(point, "bytes_verified"); verified != 0) {
        table.rows.push_back({"Read back", format_bytes(verified) + " as at the source, in " +
                                               std::to_string(sum_of(point, "digest_runs")) + " digests"});
    }
}

/// A verification that has its verdict; null otherwise.
Json verification_of(const Json& job) {
    const auto found = json::find<Json>(job, "verification");
    return found && !text(*found, "verdict").empty() ? *found : Json(nullptr);
}

std::string range_text(const Json& range) {
    return fmt::format("{} at {}", format_bytes(bytes(range, "length")), bytes(range, "offset"));
}

}  // namespace

std::string slow_leg(const Json& replication) {
    const auto leg = text(replication, "bottleneck");
    return leg == "read" ? "reading" : leg == "write" ? "writing" : leg;
}

Table sync_table() {
    auto table = job_table();
    table.empty_text = "No sync.";
    table.columns.insert(table.columns.end() - 2, {{.title = "CHANGED", .right = true},
                                                   {.title = "SENT", .right = true},
                                                   {.title = "ON THE WIRE", .right = true},
                                                   {.title = "SENT/CHANGED", .right = true, .wide = true},
                                                   {.title = "SLOW", .wide = true},
                                                   {.title = "ATTEMPT", .right = true, .wide = true}});
    return table;
}

std::vector<std::string> sync_row(const Json& job, Instant now) {
    auto row = job_row(job, now);
    const auto copy = value_or<Json>(job, "replication", Json::object());
    const auto changed = bytes(copy, "bytes_total");
    const auto sent = bytes(copy, "bytes_sent");
    row.insert(row.end() - 2,
               {format_bytes(changed), format_bytes(sent), format_bytes(bytes(copy, "bytes_wire")),
                share(sent, changed), slow_leg(copy), std::to_string(value_or<int>(copy, "attempt", 1))});
    return row;
}

void add_copy_facts(Table& table, const Json& job) {
    const auto copy = json::find<Json>(job, "replication");
    if (!copy) {
        return;
    }
    const auto point = value_or<Json>(job, "recovery_point", Json(nullptr));
    const auto total = bytes(*copy, "bytes_total");
    const auto changed = point.is_null() ? total : sum_of(point, "bytes_changed");
    table.rows.push_back({"Copy", text(*copy, "replication_type") + ", " + text(*copy, "current_operation")});
    table.rows.push_back({"To copy", format_share(bytes(*copy, "bytes_done"), total)});
    table.rows.push_back({"Changed", format_bytes(changed)});
    const auto sent = point.is_null() ? bytes(*copy, "bytes_sent") : sum_of(point, "bytes_sent");
    const auto zeroed =
        point.is_null() ? bytes(*copy, "bytes_zeroed") : sum_of(point, "bytes_zeroed") + sum_of(point, "bytes_skipped");
    table.rows.push_back({"Sent", with_share(sent, changed)});
    table.rows.push_back({"Zeros not sent", format_bytes(zeroed)});
    table.rows.push_back({"On the wire", with_share(bytes(*copy, "bytes_wire"), changed)});
    if (!point.is_null()) {
        add_point_facts(table, point);
    }
    if (const auto slow = slow_leg(*copy); !slow.empty()) {
        table.rows.push_back({"Slow", slow});
    }
    if (const auto attempt = value_or<int>(*copy, "attempt", 1); attempt > 1) {
        table.rows.push_back({"Attempt", std::to_string(attempt)});
    }
}

void add_verification_facts(Table& table, const Json& job) {
    const auto found = verification_of(job);
    if (found.is_null()) {
        return;
    }
    table.rows.push_back({"Verdict", verdict_text(job)});
    table.rows.push_back({"Share", std::to_string(value_or<int>(found, "percent", 0)) + " % of what has not changed"});
    for (const auto& disk : disks_of(found)) {
        const auto name = "Disk " + text(disk, "disk_id");
        const auto different = bytes(disk, "different");
        table.rows.push_back({name, different == 0 ? "identical, " + format_bytes(bytes(disk, "compared")) + " compared"
                                                   : format_bytes(different) + " differ"});
        for (const auto& range : value_or<Json>(disk, "ranges", Json::array())) {
            table.rows.push_back({"", range_text(range)});
        }
        if (const auto more = value_or<std::uint64_t>(disk, "ranges_left_out", 0); more != 0) {
            table.rows.push_back({"", fmt::format("and {} more ranges", more)});
        }
    }
}

std::optional<bool> found_differences(const Json& job) {
    const auto found = verification_of(job);
    return found.is_null() ? std::nullopt : std::optional(text(found, "verdict") != "identical");
}

std::string verdict_text(const Json& job) {
    const auto differs = found_differences(job);
    if (!differs) {
        return "";
    }
    const auto found = verification_of(job);
    const auto compared = format_bytes(sum_of(found, "compared")) + " compared";
    return (*differs ? "differs in " + format_bytes(sum_of(found, "different")) : std::string("identical")) + ", " +
           compared;
}

Table difference_table(const Json& job) {
    Table table{.columns = {{"DISK"}, {"OFFSET", true}, {"LENGTH", true}}, .rows = {}, .empty_text = {}};
    for (const auto& disk : disks_of(verification_of(job))) {
        for (const auto& range : value_or<Json>(disk, "ranges", Json::array())) {
            table.rows.push_back({text(disk, "disk_id"), std::to_string(bytes(range, "offset")),
                                  std::to_string(bytes(range, "length"))});
        }
    }
    return table;
}

}  // namespace mk::cli

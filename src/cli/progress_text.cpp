#include "cli/progress_text.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "cli/figures.hpp"
#include "cli/sync_view.hpp"
#include "cli/table.hpp"

namespace mk::cli {

using json::find;
using json::value_or;

namespace {

constexpr std::size_t name_width = 11;
constexpr std::size_t title_width = 28;

Json array_in(const Json& object, const char* field) {
    return value_or<Json>(object, field, Json::array());
}

bool is_copying(const Json& job) {
    const auto* step = running_step(job);
    const auto name = step == nullptr ? "" : value_or<std::string>(*step, "name", "");
    return name == "copy" || name == "compare";
}

std::optional<Json> replication_of(const Json& job) {
    return find<Json>(job, "replication");
}

/// "  disk-2001" fills the same column as the machine's name.
std::string named(const std::string& name) {
    return pad(cut(printable(name), 32), name_width);
}

std::string machine_line(const Json& job, const Json& copy) {
    const auto total = value_or<Bytes>(copy, "bytes_total", 0);
    const auto done = value_or<Bytes>(copy, "bytes_done", 0);
    const auto percent = percent_of(done, total, false);
    auto line =
        fmt::format("{}{} {:>3}%  {}", named(subject_of(job)), bar(percent), percent, format_share(done, total));
    const auto operation = value_or<std::string>(copy, "current_operation", "");
    const bool is_moving = operation.empty() || operation == "Copying" || operation == "Comparing";
    if (done >= total || !is_moving) {
        return line + "  " + (operation.empty() ? "Flushing" : printable(operation));
    }
    if (const auto rate = value_or<Bytes>(copy, "bytes_per_second", 0); rate != 0) {
        line += "  " + format_rate(rate);
    }
    if (const auto eta = find<std::int64_t>(copy, "vma_eta_seconds")) {
        line += "  " + time_left(*eta);
    }
    if (const auto slow = slow_leg(copy); !slow.empty()) {
        line += "  slow: " + slow;
    }
    if (const auto attempt = value_or<int>(copy, "attempt", 1); attempt > 1) {
        line += fmt::format("  attempt {}", attempt);
    }
    return line;
}

std::string disk_line(const Json& disk) {
    const auto total = value_or<Bytes>(disk, "bytes_total", 0);
    const auto done = value_or<Bytes>(disk, "bytes_done", 0);
    const auto percent = total == 0 ? 0 : percent_of(done, total, done >= total);
    return fmt::format("{}{} {:>3}%  {}", named("  " + value_or<std::string>(disk, "disk_id", "disk")), bar(percent),
                       percent, total == 0 ? "nothing known yet" : format_share(done, total));
}

std::optional<std::chrono::milliseconds> duration_between(const Json& object, std::optional<Instant> now) {
    const auto from = parse_instant(value_or<std::string>(object, "started_at", ""));
    const auto until = parse_instant(value_or<std::string>(object, "completed_at", ""));
    if (!from || (!until && !now)) {
        return std::nullopt;
    }
    return std::max(std::chrono::milliseconds::zero(), (until ? *until : *now) - *from);
}

}  // namespace

bool is_final(const Json& job) {
    const auto status = value_or<std::string>(job, "status", "");
    return status != "pending" && status != "running";
}

std::string subject_of(const Json& job) {
    return value_or<std::string>(job, "machine", value_or<std::string>(job, "job_id", "job"));
}

const Json* running_step(const Json& job) {
    if (!job.is_object() || !job.contains("steps")) {
        return nullptr;
    }
    for (const auto& step : job.at("steps")) {
        if (value_or<std::string>(step, "status", "") == "running") {
            return &step;
        }
    }
    return nullptr;
}

std::vector<std::string> copy_lines(const Json& job) {
    const auto copy = replication_of(job);
    if (!is_copying(job) || !copy || value_or<Bytes>(*copy, "bytes_total", 0) == 0) {
        return {};
    }
    std::vector<std::string> lines{machine_line(job, *copy)};
    const auto disks = array_in(*copy, "disks");
    if (disks.size() > 1) {
        std::transform(disks.begin(), disks.end(), std::back_inserter(lines), disk_line);
    }
    return lines;
}

std::optional<int> copy_percent(const Json& job) {
    const auto copy = replication_of(job);
    if (!is_copying(job) || !copy || value_or<Bytes>(*copy, "bytes_total", 0) == 0) {
        return std::nullopt;
    }
    return percent_of(value_or<Bytes>(*copy, "bytes_done", 0), value_or<Bytes>(*copy, "bytes_total", 0), false);
}

std::string step_line(const Json& job, const Json& step, Instant now) {
    const auto status = value_or<std::string>(step, "status", "");
    const auto detail = value_or<std::string>(step, "detail", "");
    auto line = fmt::format("[{}/{}] {}", value_or<int>(step, "order", 0), array_in(job, "steps").size(),
                            pad(printable(value_or<std::string>(step, "title", "")), title_width));
    const bool is_running = status == "running";
    const auto duration = duration_between(step, is_running ? std::optional(now) : std::nullopt);
    if (is_running && !detail.empty()) {
        line += "  " + printable(detail);
    } else if (duration) {
        line += "  " + format_duration(*duration);
    }
    if (status == "warning" || status == "failed" || status == "cancelled" || status == "skipped") {
        const auto reason = value_or<std::string>(step, "error", detail);
        line += "  " + status + (reason.empty() ? "" : ": " + printable(reason));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

std::string outcome_line(const Json& job) {
    const auto status = value_or<std::string>(job, "status", "");
    const auto words = status == "completed" ? "completed in" : status == "warning" ? "completed with warnings in" : "";
    const auto duration = duration_between(job, std::nullopt);
    std::string line = printable(subject_of(job)) + ": " + (*words == '\0' ? status + " after" : words) + " " +
                       (duration ? format_duration(*duration) : "an unknown time");
    if (const auto verdict = verdict_text(job); !verdict.empty()) {
        line += ", " + verdict;
    } else if (const auto copy = replication_of(job)) {
        line += ", " + format_bytes(value_or<Bytes>(*copy, "bytes_sent", 0)) + " sent";
        if (const auto wire = value_or<Bytes>(*copy, "bytes_wire", 0); wire != 0) {
            line += ", " + format_bytes(wire) + " on the wire";
        }
    }
    if (const auto failover = find<Json>(job, "failover")) {
        const auto name = value_or<std::string>(*failover, "destination_vm_name", "");
        const auto evidence = value_or<std::string>(*failover, "boot_evidence", "");
        line +=
            (name.empty() ? "" : ", machine " + printable(name)) + (evidence.empty() ? "" : ". " + printable(evidence));
    }
    return line;
}

}  // namespace mk::cli

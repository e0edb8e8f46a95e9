#include "cli/vm_view.hpp"

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/json_fields.hpp"
#include "cli/figures.hpp"

namespace mk::cli {

using json::value_or;

namespace {

std::string text(const Json& object, const char* field) {
    return value_or<std::string>(object, field, "");
}

std::string age_of(const Json& object, const char* field, Instant now, const std::string& otherwise) {
    const auto when = parse_instant(text(object, field));
    return when ? age(*when, now) : otherwise;
}

/// Used data where the source tells it, else the size of the disks.
Bytes data_of(const Json& machine) {
    const auto used = value_or<Bytes>(value_or<Json>(machine, "source", Json::object()), "used", 0);
    if (used != 0) {
        return used;
    }
    Bytes capacity = 0;
    for (const auto& disk : value_or<Json>(machine, "disks", Json::array())) {
        capacity += value_or<Bytes>(disk, "capacity", 0);
    }
    return capacity;
}

std::string last_test(const Json& machine, Instant now) {
    const auto when = age_of(machine, "last_test", now, "");
    return when.empty() ? "never" : when + " " + text(machine, "last_test_verdict");
}

std::string words_of(const Json& list) {
    std::string words;
    for (const auto& word : list) {
        words += (words.empty() ? "" : ", ") + (word.is_string() ? word.get<std::string>() : json::dump(word));
    }
    return words;
}

void add_disk_facts(Table& table, const Json& machine) {
    for (const auto& disk : value_or<Json>(machine, "disks", Json::array())) {
        const auto volume = text(disk, "volume_id");
        table.rows.push_back(
            {"Disk " + text(disk, "disk_id"), format_bytes(value_or<Bytes>(disk, "capacity", 0)) +
                                                  (value_or<bool>(disk, "is_boot", false) ? ", boots" : "") +
                                                  (volume.empty() ? ", no volume yet" : ", volume " + volume)});
    }
}

void add_failover_facts(Table& table, const Json& machine) {
    const auto failover = json::find<Json>(machine, "failover");
    if (!failover) {
        return;
    }
    table.rows.push_back({"Last failover", text(*failover, "job_type") + ", " + text(*failover, "status")});
    const std::pair<const char*, const char*> facts[] = {{"Copy in the cloud", "destination_vm_name"},
                                                         {"Boot", "boot_verdict"},
                                                         {"Boot evidence", "boot_evidence"},
                                                         {"Verdict note", "verdict_note"}};
    for (const auto& [title, field] : facts) {
        if (const auto value = text(*failover, field); !value.empty()) {
            table.rows.push_back({title, value});
        }
    }
}

}  // namespace

std::string status_of(const Json& machine) {
    auto status = text(machine, "status_label");
    const auto job = json::find<Json>(machine, "job");
    if (!job) {
        return status;
    }
    const auto copy = json::find<Json>(*job, "replication");
    const auto total = copy ? value_or<Bytes>(*copy, "bytes_total", 0) : 0;
    const auto percent = total != 0 ? percent_of(value_or<Bytes>(*copy, "bytes_done", 0), total, false)
                                    : value_or<int>(*job, "percent", 0);
    return status + " " + std::to_string(percent) + "%";
}

Table vm_table() {
    return {.columns = {{.title = "NAME", .flexible = true},
                        {"STATUS"},
                        {"LAST SYNC"},
                        {"DATA", true},
                        {"LAST TEST"},
                        {.title = "NEXT STEP"},
                        {.title = "FLAGS", .wide = true},
                        {.title = "CONTEXT ID", .wide = true},
                        {.title = "JOB", .wide = true},
                        {.title = "PATH", .wide = true}},
            .rows = {},
            .empty_text = "No machines. See what there is: migratekit discover list"};
}

std::vector<std::string> vm_row(const Json& machine, Instant now) {
    return {text(machine, "name"),
            status_of(machine),
            age_of(machine, "last_sync", now, "never"),
            format_bytes(data_of(machine)),
            last_test(machine, now),
            text(machine, "next_step"),
            words_of(value_or<Json>(machine, "flags", Json::array())),
            text(machine, "context_id"),
            text(machine, "current_job_id"),
            text(machine, "path")};
}

Table vm_facts(const Json& machine, Instant now) {
    auto table = facts_table();
    table.rows = {{"Name", text(machine, "name")},
                  {"Context id", text(machine, "context_id")},
                  {"Path", text(machine, "path")},
                  {"Status", status_of(machine)}};
    if (const auto reason = text(machine, "status_reason"); !reason.empty()) {
        table.rows.push_back({"Because", reason});
    }
    if (const auto next = text(machine, "next_step"); !next.empty()) {
        table.rows.push_back({"Next step", next});
    }
    if (const auto job = text(machine, "current_job_id"); !job.empty()) {
        table.rows.push_back({"Job", job});
    }
    table.rows.push_back({"Last sync", age_of(machine, "last_sync", now, "never")});
    table.rows.push_back({"Last test", last_test(machine, now)});
    if (const auto compared = age_of(machine, "verified_at", now, ""); !compared.empty()) {
        table.rows.push_back({"Last compared", compared + ", " + text(machine, "verified_verdict") + " (" +
                                                   std::to_string(value_or<int>(machine, "verified_percent", 0)) +
                                                   " % compared)"});
    }
    if (const auto reason = text(machine, "compare_reason"); !reason.empty()) {
        table.rows.push_back({"Next sync", "compares everything: " + reason});
    }
    table.rows.push_back({"Data", format_bytes(data_of(machine))});
    add_disk_facts(table, machine);
    add_failover_facts(table, machine);
    for (const auto& finding :
         value_or<Json>(value_or<Json>(machine, "source", Json::object()), "findings", Json::array())) {
        table.rows.push_back({text(finding, "severity"), text(finding, "text")});
    }
    return table;
}

}  // namespace mk::cli

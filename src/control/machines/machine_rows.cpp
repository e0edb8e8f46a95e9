#include "control/machines/machine_rows.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"
#include "contracts/source_machine_json.hpp"
#include "model/machine_name.hpp"

namespace mk::machines {

const char* const machine_columns =
    "context_id, credential_id, specification, current_status, status_ms, status_reason, current_job_id, boot_disk_id,"
    " last_sync_ms, last_test_ms, last_test_verdict, verified_ms, verified_verdict, verified_percent,"
    " compare_reason, version, created_ms";
const char* const disk_columns =
    "disk_id, position, label, capacity_bytes, backing_uuid, is_boot, volume_id, bytes_total, bytes_done";

namespace {

std::optional<Instant> instant_or_null(const db::Row& row, const std::string& column) {
    const auto ms = row.number_or_null(column);
    return ms ? std::optional<Instant>(from_ms(*ms)) : std::nullopt;
}

/// At most 40 characters; "vm" for a name that has no letter or digit of ours, such as one in another script.
std::string short_name_of(const std::string& vm_name) {
    try {
        auto name = cloud_machine_name(vm_name).substr(0, 40);
        name.erase(name.find_last_not_of('-') + 1);
        return name;
    } catch (const Error&) {
        return "vm";
    }
}

}  // namespace

Machine machine_from(const db::Row& row) {
    Machine machine;
    machine.id.value = row.text("context_id");
    machine.credential_id.value = row.text("credential_id");
    machine.source = contracts::source_machine_from(json::parse(row.text("specification")));
    machine.status = machine_status_from(row.text("current_status"));
    machine.status_since = from_ms(row.number("status_ms"));
    machine.status_reason = row.text_or_null("status_reason").value_or("");
    machine.current_job.value = row.text_or_null("current_job_id").value_or("");
    machine.boot_disk.value = row.text_or_null("boot_disk_id").value_or("");
    machine.last_sync = instant_or_null(row, "last_sync_ms");
    machine.last_test = instant_or_null(row, "last_test_ms");
    machine.last_test_verdict = row.text_or_null("last_test_verdict").value_or("");
    machine.verified_at = instant_or_null(row, "verified_ms");
    machine.verified_verdict = row.text_or_null("verified_verdict").value_or("");
    machine.verified_percent = static_cast<int>(row.number("verified_percent"));
    machine.compare_reason = row.text_or_null("compare_reason").value_or("");
    machine.version = row.number("version");
    machine.created = from_ms(row.number("created_ms"));
    return machine;
}

MachineDisk disk_from(const db::Row& row) {
    MachineDisk disk;
    disk.disk_id.value = row.text("disk_id");
    disk.position = static_cast<int>(row.number("position"));
    disk.label = row.text("label");
    disk.capacity = static_cast<Bytes>(row.number("capacity_bytes"));
    disk.backing_uuid = row.text("backing_uuid");
    disk.is_boot = row.flag("is_boot");
    disk.volume_id.value = row.text_or_null("volume_id").value_or("");
    disk.bytes_total = static_cast<Bytes>(row.number("bytes_total"));
    disk.bytes_done = static_cast<Bytes>(row.number("bytes_done"));
    return disk;
}

void save_disks(db::Session& session, const VmContextId& id, const SourceMachine& source, const DiskId& boot_disk) {
    std::int64_t position = 0;
    for (const auto& disk : source.disks) {
        const db::Parameters values = {{"position", position++},
                                       {"label", disk.label},
                                       {"capacity", static_cast<std::int64_t>(disk.capacity)},
                                       {"backing", disk.backing_uuid},
                                       {"is_boot", std::int64_t{disk.id == boot_disk ? 1 : 0}},
                                       {"vm", id.value},
                                       {"disk", disk.id.value}};
        if (session.execute(
                "UPDATE vm_disks SET position = :position, label = :label, capacity_bytes = :capacity,"
                " backing_uuid = :backing, is_boot = :is_boot WHERE vm_context_id = :vm AND disk_id = :disk",
                values) == 0) {
            session.execute(
                "INSERT INTO vm_disks (vm_context_id, disk_id, position, label, capacity_bytes, backing_uuid, is_boot,"
                " bytes_total, bytes_done) VALUES (:vm, :disk, :position, :label, :capacity, :backing, :is_boot, 0, 0)",
                values);
        }
    }
}

std::string specification_text(const SourceMachine& source) {
    return json::dump(contracts::to_json(source));
}

std::string context_id_for(const std::string& vm_name, Instant now) {
    const auto iso = to_iso8601(now);  // 2026-01-31T12:00:00.000Z
    const auto stamp = iso.substr(0, 4) + iso.substr(5, 2) + iso.substr(8, 2) + "-" + iso.substr(11, 2) +
                       iso.substr(14, 2) + iso.substr(17, 2);
    // 64 characters hold "ctx-", 40 of the name, the stamp and a counter.
    return "ctx-" + short_name_of(vm_name) + "-" + stamp;
}

}  // namespace mk::machines

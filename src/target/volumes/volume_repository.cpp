#include "target/volumes/volume_repository.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace mk::volumes {
namespace {

#define MK_VOLUME_COLUMNS                                                                                             \
    "volume_id, vm_context_id, disk_id, volume_name, size_bytes, written, digest, ossea_snapshot_id, snapshot_name, " \
    "snapshot_created_at_ms, snapshot_status"

constexpr auto select_sql = "SELECT " MK_VOLUME_COLUMNS " FROM ossea_volumes WHERE volume_id = :id";
constexpr auto select_disk_sql =
    "SELECT " MK_VOLUME_COLUMNS " FROM ossea_volumes WHERE vm_context_id = :context AND disk_id = :disk";
constexpr auto select_context_sql =
    "SELECT " MK_VOLUME_COLUMNS " FROM ossea_volumes WHERE vm_context_id = :context ORDER BY disk_id";
constexpr auto select_all_sql = "SELECT " MK_VOLUME_COLUMNS " FROM ossea_volumes ORDER BY vm_context_id, disk_id";
constexpr auto insert_sql =
    "INSERT INTO ossea_volumes (volume_id, vm_context_id, disk_id, volume_name, size_bytes, written, snapshot_status, "
    "created_ms) "
    "VALUES (:id, :context, :disk, :name, :size, :written, 'none', :now)";
constexpr auto delete_sql = "DELETE FROM ossea_volumes WHERE volume_id = :id";
constexpr auto snapshot_sql =
    "UPDATE ossea_volumes SET ossea_snapshot_id = :snapshot, snapshot_name = :name, snapshot_created_at_ms = :created, "
    "snapshot_status = :status WHERE volume_id = :id";
constexpr auto select_mapping_sql =
    "SELECT volume_uuid, vm_context_id, operation_mode, vm_id, device_id, device_path, persistent_device_name, "
    "symlink_path "
    "FROM device_mappings WHERE volume_uuid = :id";
constexpr auto update_mapping_sql =
    "UPDATE device_mappings SET operation_mode = :mode, vm_id = :vm, device_id = :device, device_path = :path, "
    "persistent_device_name = :name, symlink_path = :link, updated_ms = :now WHERE volume_uuid = :id";
constexpr auto insert_mapping_sql =
    "INSERT INTO device_mappings (volume_uuid, vm_context_id, operation_mode, vm_id, device_id, device_path, "
    "persistent_device_name, symlink_path, updated_ms) VALUES (:id, :context, :mode, :vm, :device, :path, :name, "
    ":link, :now)";
constexpr auto delete_mapping_sql = "DELETE FROM device_mappings WHERE volume_uuid = :id";

#undef MK_VOLUME_COLUMNS

VolumeRow row_from(const db::Row& row) {
    VolumeRow volume;
    volume.id.value = row.text("volume_id");
    volume.vm_context_id.value = row.text("vm_context_id");
    volume.disk_id.value = row.text("disk_id");
    volume.name = row.text("volume_name");
    volume.size = static_cast<Bytes>(row.number("size_bytes"));
    volume.written = row.flag("written");
    volume.digest = row.text_or_null("digest");
    if (auto snapshot = row.text_or_null("ossea_snapshot_id")) {
        volume.snapshot_id = CloudSnapshotId{*snapshot};
    }
    volume.snapshot_name = row.text_or_null("snapshot_name").value_or("");
    volume.snapshot_created_ms = row.number_or_null("snapshot_created_at_ms");
    volume.snapshot_status = row.text("snapshot_status");
    return volume;
}

std::vector<VolumeRow> rows_from(const std::vector<db::Row>& rows) {
    std::vector<VolumeRow> volumes;
    std::transform(rows.begin(), rows.end(), std::back_inserter(volumes), row_from);
    return volumes;
}

db::Value text_or_null(const std::string& text) {
    return text.empty() ? db::Value(nullptr) : db::Value(text);
}

}  // namespace

VolumeRepository::VolumeRepository(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

std::optional<VolumeRow> VolumeRepository::find(const VolumeId& id) const {
    const auto row = database_->query_one(select_sql, {{"id", id.value}});
    return row ? std::optional(row_from(*row)) : std::nullopt;
}

VolumeRow VolumeRepository::require(const VolumeId& id) const {
    auto row = find(id);
    if (!row) {
        throw Error(ErrorCode::not_found, "the volume " + id.value + " is not one of the replicas");
    }
    return std::move(*row);
}

std::optional<VolumeRow> VolumeRepository::find_disk(const VmContextId& vm_context_id, const DiskId& disk_id) const {
    const auto row = database_->query_one(select_disk_sql, {{"context", vm_context_id.value}, {"disk", disk_id.value}});
    return row ? std::optional(row_from(*row)) : std::nullopt;
}

std::vector<VolumeRow> VolumeRepository::list(const std::optional<VmContextId>& vm_context_id) const {
    return rows_from(vm_context_id ? database_->query(select_context_sql, {{"context", vm_context_id->value}})
                                   : database_->query(select_all_sql));
}

void VolumeRepository::insert(const VolumeRow& row) {
    database_->execute(insert_sql, {{"id", row.id.value},
                                    {"context", row.vm_context_id.value},
                                    {"disk", row.disk_id.value},
                                    {"name", row.name},
                                    {"size", static_cast<std::int64_t>(row.size)},
                                    {"written", std::int64_t{row.written}},
                                    {"now", to_ms(clock_.now())}});
}

void VolumeRepository::remove(const VolumeId& id) {
    database_->execute(delete_sql, {{"id", id.value}});
}

void VolumeRepository::set_size(const VolumeId& id, Bytes size) {
    database_->execute("UPDATE ossea_volumes SET size_bytes = :size WHERE volume_id = :id",
                       {{"size", static_cast<std::int64_t>(size)}, {"id", id.value}});
}

void VolumeRepository::set_written(const VolumeId& id) {
    database_->execute("UPDATE ossea_volumes SET written = 1 WHERE volume_id = :id", {{"id", id.value}});
}

void VolumeRepository::set_digest(const VolumeId& id, const std::optional<std::string>& digest) {
    database_->execute("UPDATE ossea_volumes SET digest = :digest WHERE volume_id = :id",
                       {{"digest", db::value_of(digest)}, {"id", id.value}});
}

void VolumeRepository::set_snapshot(const VolumeRow& row) {
    database_->execute(snapshot_sql,
                       {{"snapshot", row.snapshot_id ? db::Value(row.snapshot_id->value) : db::Value(nullptr)},
                        {"name", text_or_null(row.snapshot_name)},
                        {"created", db::value_of(row.snapshot_created_ms)},
                        {"status", row.snapshot_status},
                        {"id", row.id.value}});
}

std::optional<MappingRow> VolumeRepository::find_mapping(const VolumeId& id) const {
    const auto row = database_->query_one(select_mapping_sql, {{"id", id.value}});
    if (!row) {
        return std::nullopt;
    }
    const auto device = row->number_or_null("device_id");
    return MappingRow{VolumeId{row->text("volume_uuid")},
                      VmContextId{row->text("vm_context_id")},
                      row->text("operation_mode"),
                      CloudMachineId{row->text("vm_id")},
                      device ? std::optional(static_cast<int>(*device)) : std::nullopt,
                      row->text_or_null("device_path").value_or(""),
                      row->text_or_null("persistent_device_name").value_or(""),
                      row->text_or_null("symlink_path").value_or("")};
}

void VolumeRepository::save_mapping(const MappingRow& mapping) {
    db::Parameters values{
        {"id", mapping.volume_id.value},
        {"mode", mapping.operation_mode},
        {"vm", mapping.vm_id.value},
        {"device", mapping.device_id ? db::Value(std::int64_t{*mapping.device_id}) : db::Value(nullptr)},
        {"path", text_or_null(mapping.device_path)},
        {"name", text_or_null(mapping.persistent_name)},
        {"link", text_or_null(mapping.symlink_path)},
        {"now", to_ms(clock_.now())}};
    database_->transact([&](db::Session& session) {
        if (session.execute(update_mapping_sql, values) == 0) {
            auto all = values;
            all.push_back({"context", mapping.vm_context_id.value});
            session.execute(insert_mapping_sql, all);
        }
    });
}

void VolumeRepository::remove_mapping(const VolumeId& id) {
    database_->execute(delete_mapping_sql, {{"id", id.value}});
}

}  // namespace mk::volumes

#include "target/volumes/volume_repository.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/ids.hpp"

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
#define MK_CLONE_SELECT                                                                                                \
    "SELECT id, volume_name, volume_id, source_volume_id, ossea_snapshot_id, vm_context_id, disk_id, size_bytes FROM " \
    "volume_clones "

constexpr auto select_clone_sql = MK_CLONE_SELECT "WHERE volume_id = :id";
constexpr auto select_clone_named_sql = MK_CLONE_SELECT "WHERE volume_name = :name";
constexpr auto select_clones_sql = MK_CLONE_SELECT "ORDER BY vm_context_id, disk_id, created_ms";
constexpr auto select_clones_of_machine_sql =
    MK_CLONE_SELECT "WHERE vm_context_id = :context ORDER BY disk_id, created_ms";
constexpr auto select_clones_of_replica_sql = MK_CLONE_SELECT "WHERE source_volume_id = :replica ORDER BY created_ms";
constexpr auto insert_clone_sql =
    "INSERT INTO volume_clones (id, volume_name, source_volume_id, ossea_snapshot_id, vm_context_id, disk_id, "
    "size_bytes, created_ms) VALUES (:id, :name, :replica, :snapshot, :context, :disk, :size, :now)";
constexpr auto set_clone_volume_sql = "UPDATE volume_clones SET volume_id = :volume WHERE id = :id";
constexpr auto delete_clone_sql = "DELETE FROM volume_clones WHERE volume_name = :name";

#undef MK_CLONE_SELECT

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

CloneRow clone_from(const db::Row& row) {
    CloneRow clone;
    clone.id = row.text("id");
    clone.name = row.text("volume_name");
    if (auto volume = row.text_or_null("volume_id")) {
        clone.volume_id = VolumeId{std::move(*volume)};
    }
    clone.clone_of.value = row.text("source_volume_id");
    clone.snapshot_id.value = row.text_or_null("ossea_snapshot_id").value_or("");
    clone.vm_context_id.value = row.text("vm_context_id");
    clone.disk_id.value = row.text("disk_id");
    clone.size = static_cast<Bytes>(row.number("size_bytes"));
    return clone;
}

std::vector<CloneRow> clones_from(const std::vector<db::Row>& rows) {
    std::vector<CloneRow> clones;
    std::transform(rows.begin(), rows.end(), std::back_inserter(clones), clone_from);
    return clones;
}

db::Value text_or_null(const std::string& text) {
    return text.empty() ? db::Value(nullptr) : db::Value(text);
}

}  // namespace

VolumeRow as_volume(const CloneRow& clone) {
    VolumeRow volume;
    volume.id = clone.volume_id.value_or(VolumeId{});
    volume.vm_context_id = clone.vm_context_id;
    volume.disk_id = clone.disk_id;
    volume.name = clone.name;
    volume.size = clone.size;
    volume.written = true;
    volume.clone_of = clone.clone_of;
    return volume;
}

VolumeRepository::VolumeRepository(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

std::optional<VolumeRow> VolumeRepository::find(const VolumeId& id) const {
    const auto row = database_->query_one(select_sql, {{"id", id.value}});
    return row ? std::optional(row_from(*row)) : std::nullopt;
}

VolumeRow VolumeRepository::require(const VolumeId& id) const {
    auto row = find_known(id);
    if (!row) {
        throw Error(ErrorCode::not_found, "the volume " + id.value + " is not one of the replicas");
    }
    if (row->clone_of) {
        throw Error(ErrorCode::conflict,
                    "the volume " + row->name +
                        " is a clone: it takes no write session and no snapshot, and it does "
                        "not grow",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Use the replica that it was made from, " + row->clone_of->value + "."});
    }
    return std::move(*row);
}

std::optional<VolumeRow> VolumeRepository::find_known(const VolumeId& id) const {
    if (auto replica = find(id)) {
        return replica;
    }
    const auto found = database_->query_one(select_clone_sql, {{"id", id.value}});
    return found ? std::optional(as_volume(clone_from(*found))) : std::nullopt;
}

VolumeRow VolumeRepository::require_known(const VolumeId& id) const {
    auto row = find_known(id);
    if (!row) {
        throw Error(ErrorCode::not_found, "the volume " + id.value + " is neither a replica nor a clone of ours");
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

std::optional<CloneRow> VolumeRepository::find_clone(const std::string& name) const {
    const auto row = database_->query_one(select_clone_named_sql, {{"name", name}});
    return row ? std::optional(clone_from(*row)) : std::nullopt;
}

std::vector<CloneRow> VolumeRepository::list_clones(const std::optional<VmContextId>& vm_context_id) const {
    return clones_from(vm_context_id
                           ? database_->query(select_clones_of_machine_sql, {{"context", vm_context_id->value}})
                           : database_->query(select_clones_sql));
}

std::vector<CloneRow> VolumeRepository::list_clones_of(const VolumeId& replica) const {
    return clones_from(database_->query(select_clones_of_replica_sql, {{"replica", replica.value}}));
}

CloneRow VolumeRepository::insert_clone(CloneRow row) {
    row.id = new_uuid();
    database_->execute(insert_clone_sql, {{"id", row.id},
                                          {"name", row.name},
                                          {"replica", row.clone_of.value},
                                          {"snapshot", text_or_null(row.snapshot_id.value)},
                                          {"context", row.vm_context_id.value},
                                          {"disk", row.disk_id.value},
                                          {"size", static_cast<std::int64_t>(row.size)},
                                          {"now", to_ms(clock_.now())}});
    return row;
}

bool VolumeRepository::set_clone_volume(const std::string& record_id, const VolumeId& volume) {
    return database_->execute(set_clone_volume_sql, {{"volume", volume.value}, {"id", record_id}}) > 0;
}

void VolumeRepository::remove_clone(const std::string& name) {
    database_->execute(delete_clone_sql, {{"name", name}});
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

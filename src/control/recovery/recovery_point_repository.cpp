#include "control/recovery/recovery_point_repository.hpp"

#include <algorithm>

namespace mk::recovery {

namespace {

constexpr const char* point_columns = "id, vm_context_id, job_id, snapshot_ms, consistency, state, bytes_wire";
constexpr const char* disk_columns =
    "disk_id, volume_id, change_id, backing_uuid, capacity_bytes, incremental, bytes_changed, bytes_sent, bytes_read,"
    " bytes_zeroed, bytes_skipped, bytes_resumed, bytes_compared, bytes_different, bytes_verified, digest_runs";
constexpr const char* insert_disk_row =
    "INSERT INTO recovery_point_disks (recovery_point_id, disk_id, volume_id, change_id, backing_uuid, capacity_bytes,"
    " incremental, bytes_changed, bytes_sent, bytes_read, bytes_zeroed, bytes_skipped, bytes_resumed, bytes_compared,"
    " bytes_different, bytes_verified, digest_runs) VALUES (:point, :disk, :volume, :change_id, :backing, :capacity,"
    " :incremental, :changed, :sent, :read, :zeroed, :skipped, :resumed, :compared, :different, :verified, :runs)";

RecoveryPointDisk disk_from(const db::Row& row) {
    const auto bytes = [&](const char* column) { return static_cast<Bytes>(row.number(column)); };
    RecoveryPointDisk disk;
    disk.disk_id.value = row.text("disk_id");
    disk.volume_id.value = row.text("volume_id");
    disk.change_id = row.text("change_id");
    disk.backing_uuid = row.text("backing_uuid");
    disk.capacity = bytes("capacity_bytes");
    disk.incremental = row.flag("incremental");
    disk.bytes_changed = bytes("bytes_changed");
    disk.bytes_sent = bytes("bytes_sent");
    disk.bytes_read = bytes("bytes_read");
    disk.bytes_zeroed = bytes("bytes_zeroed");
    disk.bytes_skipped = bytes("bytes_skipped");
    disk.bytes_resumed = bytes("bytes_resumed");
    disk.bytes_compared = bytes("bytes_compared");
    disk.bytes_different = bytes("bytes_different");
    disk.bytes_verified = bytes("bytes_verified");
    disk.digest_runs = static_cast<std::uint64_t>(row.number("digest_runs"));
    disk.digest = row.text_or_null("digest").value_or("");
    return disk;
}

void insert_disk(db::Session& session, const RecoveryPointId& point, const RecoveryPointDisk& disk) {
    const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    session.execute(insert_disk_row, {{"point", point.value},
                                      {"disk", disk.disk_id.value},
                                      {"volume", disk.volume_id.value},
                                      {"change_id", disk.change_id},
                                      {"backing", disk.backing_uuid},
                                      {"capacity", number(disk.capacity)},
                                      {"incremental", std::int64_t{disk.incremental ? 1 : 0}},
                                      {"changed", number(disk.bytes_changed)},
                                      {"sent", number(disk.bytes_sent)},
                                      {"read", number(disk.bytes_read)},
                                      {"zeroed", number(disk.bytes_zeroed)},
                                      {"skipped", number(disk.bytes_skipped)},
                                      {"resumed", number(disk.bytes_resumed)},
                                      {"compared", number(disk.bytes_compared)},
                                      {"different", number(disk.bytes_different)},
                                      {"verified", number(disk.bytes_verified)},
                                      {"runs", number(disk.digest_runs)}});
}

}  // namespace

RecoveryPointRepository::RecoveryPointRepository(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

RecoveryPointId RecoveryPointRepository::commit(db::Session& session, const RecoveryPoint& point) {
    const RecoveryPointId id{new_uuid()};
    const auto now = to_ms(clock_.now());
    session.execute(
        "INSERT INTO recovery_points (id, vm_context_id, job_id, snapshot_ms, consistency, state, bytes_wire,"
        " created_ms) VALUES (:id, :vm, :job, :snapshot, :consistency, 'committed', :wire, :now)",
        {{"id", id.value},
         {"vm", point.vm_context_id.value},
         {"job", point.job_id.value},
         {"snapshot", to_ms(point.snapshot_time)},
         {"consistency", point.consistency},
         {"wire", static_cast<std::int64_t>(point.bytes_wire)},
         {"now", now}});
    for (const auto& disk : point.disks) {
        insert_disk(session, id, disk);
        session.execute(
            "INSERT INTO cbt_history (id, vm_context_id, disk_id, change_id, job_id, sync_success, created_ms)"
            " VALUES (:id, :vm, :disk, :change_id, :job, 1, :now)",
            {{"id", new_uuid()},
             {"vm", point.vm_context_id.value},
             {"disk", disk.disk_id.value},
             {"change_id", disk.change_id},
             {"job", point.job_id.value},
             {"now", now}});
    }
    return id;
}

void RecoveryPointRepository::mark_applied(const RecoveryPointId& id,
                                           const std::vector<std::pair<DiskId, std::string>>& digests) {
    database_->transact([&](db::Session& session) {
        for (const auto& [disk, digest] : digests) {
            session.execute(
                "UPDATE recovery_point_disks SET digest = :digest WHERE recovery_point_id = :id AND disk_id = :disk",
                {{"digest", digest}, {"id", id.value}, {"disk", disk.value}});
        }
        session.execute("UPDATE recovery_points SET state = 'applied' WHERE id = :id", {{"id", id.value}});
    });
}

void RecoveryPointRepository::forget_digest(const VmContextId& vm, const DiskId& disk) {
    if (const auto point = latest(vm)) {
        database_->execute(
            "UPDATE recovery_point_disks SET digest = NULL WHERE recovery_point_id = :id AND disk_id = :disk",
            {{"id", point->id.value}, {"disk", disk.value}});
    }
}

void RecoveryPointRepository::set_digest(const RecoveryPointId& id, const DiskId& disk, const std::string& digest) {
    database_->execute(
        "UPDATE recovery_point_disks SET digest = :digest WHERE recovery_point_id = :id AND disk_id = :disk",
        {{"digest", digest}, {"id", id.value}, {"disk", disk.value}});
}

void RecoveryPointRepository::forget_all(const VmContextId& vm) {
    database_->execute("DELETE FROM recovery_points WHERE vm_context_id = :vm", {{"vm", vm.value}});
}

RecoveryPoint RecoveryPointRepository::with_disks(const db::Row& row) const {
    RecoveryPoint point;
    point.id.value = row.text("id");
    point.vm_context_id.value = row.text("vm_context_id");
    point.job_id.value = row.text("job_id");
    point.snapshot_time = from_ms(row.number("snapshot_ms"));
    point.consistency = row.text("consistency");
    point.bytes_wire = static_cast<Bytes>(row.number("bytes_wire"));
    point.applied = row.text("state") == "applied";
    for (const auto& disk :
         database_->query(std::string("SELECT ") + disk_columns +
                              ", digest FROM recovery_point_disks WHERE recovery_point_id = :id ORDER BY disk_id",
                          {{"id", point.id.value}})) {
        point.disks.push_back(disk_from(disk));
    }
    return point;
}

std::optional<RecoveryPoint> RecoveryPointRepository::latest(const VmContextId& vm) const {
    auto found = list(vm, 1);
    return found.empty() ? std::nullopt : std::optional<RecoveryPoint>(std::move(found.front()));
}

std::optional<RecoveryPoint> RecoveryPointRepository::of_job(const JobId& job) const {
    const auto row = database_->query_one(
        std::string("SELECT ") + point_columns + " FROM recovery_points WHERE job_id = :job", {{"job", job.value}});
    return row ? std::optional<RecoveryPoint>(with_disks(*row)) : std::nullopt;
}

std::vector<RecoveryPoint> RecoveryPointRepository::list(const VmContextId& vm, int limit) const {
    std::vector<RecoveryPoint> points;
    for (const auto& row :
         database_->query(std::string("SELECT ") + point_columns +
                              " FROM recovery_points WHERE vm_context_id = :vm ORDER BY id DESC LIMIT " +
                              std::to_string(std::clamp(limit, 1, 1000)),
                          {{"vm", vm.value}})) {
        points.push_back(with_disks(row));
    }
    return points;
}

}  // namespace mk::recovery

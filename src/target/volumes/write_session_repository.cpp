#include "target/volumes/write_session_repository.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace mk::volumes {
namespace {

#define MK_SESSION_SELECT                                                                                         \
    "SELECT session_id, job_id, volume_id, kind, state, length_bytes, target_is_zero, overlay_path, digest FROM " \
    "write_sessions "

constexpr auto select_sql = MK_SESSION_SELECT "WHERE session_id = :id";
constexpr auto select_job_volume_sql = MK_SESSION_SELECT "WHERE job_id = :job AND volume_id = :volume";
constexpr auto select_active_of_sql = MK_SESSION_SELECT "WHERE volume_id = :volume AND state IN ('open', 'committing')";
constexpr auto select_job_sql = MK_SESSION_SELECT "WHERE job_id = :job ORDER BY created_ms, session_id";
constexpr auto select_active_sql =
    MK_SESSION_SELECT "WHERE state IN ('open', 'committing') ORDER BY created_ms, session_id";
constexpr auto delete_aborted_sql =
    "DELETE FROM write_sessions WHERE job_id = :job AND volume_id = :volume AND state = 'aborted'";
constexpr auto insert_sql =
    "INSERT INTO write_sessions (session_id, job_id, volume_id, kind, state, length_bytes, target_is_zero, "
    "overlay_path, "
    "created_ms, updated_ms) VALUES (:id, :job, :volume, :kind, 'open', :length, :zero, :overlay, :now, :now2)";
constexpr auto insert_export_sql =
    "INSERT INTO nbd_exports (session_id, volume_uuid, export_name, created_ms) VALUES (:id, :volume, :name, :now)";
constexpr auto delete_export_sql = "DELETE FROM nbd_exports WHERE session_id = :id";
constexpr auto change_sql =
    "UPDATE write_sessions SET state = :next, updated_ms = :now WHERE session_id = :id AND state = :previous";
constexpr auto change_job_sql =
    "UPDATE write_sessions SET job_id = :next, updated_ms = :now "
    "WHERE session_id = :id AND job_id = :previous AND state = 'open'";
constexpr auto complete_sql =
    "UPDATE write_sessions SET state = 'committed', digest = :digest, overlay_path = NULL, updated_ms = :now "
    "WHERE session_id = :id AND state = 'committing'";

#undef MK_SESSION_SELECT

WriteSessionRow row_from(const db::Row& row) {
    return {.id = WriteSessionId{row.text("session_id")},
            .job_id = JobId{row.text("job_id")},
            .volume_id = VolumeId{row.text("volume_id")},
            .kind = row.text("kind"),
            .state = row.text("state"),
            .length = static_cast<Bytes>(row.number("length_bytes")),
            .target_is_zero = row.flag("target_is_zero"),
            .overlay_path = row.text_or_null("overlay_path").value_or(""),
            .digest = row.text_or_null("digest")};
}

std::optional<WriteSessionRow> first_of(const std::optional<db::Row>& row) {
    return row ? std::optional(row_from(*row)) : std::nullopt;
}

std::vector<WriteSessionRow> rows_from(const std::vector<db::Row>& rows) {
    std::vector<WriteSessionRow> sessions;
    std::transform(rows.begin(), rows.end(), std::back_inserter(sessions), row_from);
    return sessions;
}

}  // namespace

WriteSessionRepository::WriteSessionRepository(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

std::optional<WriteSessionRow> WriteSessionRepository::find(const WriteSessionId& id) const {
    return first_of(database_->query_one(select_sql, {{"id", id.value}}));
}

WriteSessionRow WriteSessionRepository::require(const WriteSessionId& id) const {
    auto row = find(id);
    if (!row) {
        throw Error(ErrorCode::not_found, "there is no write session " + id.value.substr(0, 8));
    }
    return std::move(*row);
}

std::optional<WriteSessionRow> WriteSessionRepository::find_of_job(const JobId& job_id,
                                                                   const VolumeId& volume_id) const {
    return first_of(database_->query_one(select_job_volume_sql, {{"job", job_id.value}, {"volume", volume_id.value}}));
}

std::optional<WriteSessionRow> WriteSessionRepository::find_active(const VolumeId& volume_id) const {
    return first_of(database_->query_one(select_active_of_sql, {{"volume", volume_id.value}}));
}

std::vector<WriteSessionRow> WriteSessionRepository::list_of_job(const JobId& job_id) const {
    return rows_from(database_->query(select_job_sql, {{"job", job_id.value}}));
}

std::vector<WriteSessionRow> WriteSessionRepository::list_active() const {
    return rows_from(database_->query(select_active_sql));
}

void WriteSessionRepository::insert_open(const WriteSessionRow& row) {
    const auto now = to_ms(clock_.now());
    database_->transact([&](db::Session& session) {
        session.execute(delete_aborted_sql, {{"job", row.job_id.value}, {"volume", row.volume_id.value}});
        session.execute(insert_sql,
                        {{"id", row.id.value},
                         {"job", row.job_id.value},
                         {"volume", row.volume_id.value},
                         {"kind", row.kind},
                         {"length", static_cast<std::int64_t>(row.length)},
                         {"zero", std::int64_t{row.target_is_zero}},
                         {"overlay", row.overlay_path.empty() ? db::Value(nullptr) : db::Value(row.overlay_path)},
                         {"now", now},
                         {"now2", now}});
        session.execute(insert_export_sql,
                        {{"id", row.id.value}, {"volume", row.volume_id.value}, {"name", row.id.value}, {"now", now}});
    });
}

void WriteSessionRepository::change_state(const WriteSessionId& id, const std::string& from, const std::string& to) {
    database_->transact([&](db::Session& session) {
        session.execute(delete_export_sql, {{"id", id.value}});
        if (session.execute(change_sql,
                            {{"next", to}, {"now", to_ms(clock_.now())}, {"id", id.value}, {"previous", from}}) != 1) {
            throw Error(ErrorCode::conflict,
                        "the write session " + id.value.substr(0, 8) + " is not " + from + " any more");
        }
    });
}

void WriteSessionRepository::complete(const WriteSessionRow& row, const std::string& digest) {
    database_->transact([&](db::Session& session) {
        if (session.execute(complete_sql, {{"digest", digest}, {"now", to_ms(clock_.now())}, {"id", row.id.value}}) !=
            1) {
            throw Error(ErrorCode::conflict, "the write session " + row.short_id() + " is not being committed");
        }
        session.execute("UPDATE ossea_volumes SET digest = :digest, written = 1 WHERE volume_id = :volume",
                        {{"digest", digest}, {"volume", row.volume_id.value}});
    });
}

void WriteSessionRepository::change_job(const WriteSessionRow& row, const JobId& next) {
    database_->transact([&](db::Session& session) {
        session.execute(delete_aborted_sql, {{"job", next.value}, {"volume", row.volume_id.value}});
        if (session.execute(change_job_sql, {{"next", next.value},
                                             {"now", to_ms(clock_.now())},
                                             {"id", row.id.value},
                                             {"previous", row.job_id.value}}) != 1) {
            throw Error(ErrorCode::conflict, "the write session " + row.short_id() + " cannot be taken over any more");
        }
    });
}

void require_no_active_session(const WriteSessionRepository& sessions, const VolumeId& volume_id,
                               const std::string& what) {
    const auto active = sessions.find_active(volume_id);
    if (!active) {
        return;
    }
    throw Error(
        ErrorCode::conflict,
        "cannot " + what + " the volume " + volume_id.value + ": the job " + active->job_id.value +
            (active->state == "open" ? " has a write session open" : " is committing its changes"),
        {.consequence = "Nothing was changed.", .remedy = "Wait for that job, or stop it first.", .retry_safe = true});
}

}  // namespace mk::volumes

#pragma once
// Rows of write_sessions and nbd_exports: an export has a row exactly while its session is open. Thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"

namespace mk::volumes {

/// States: open -> committing -> committed; open -> aborted; committing -> aborted when it is given up.
struct WriteSessionRow {
    WriteSessionId id;
    JobId job_id;
    VolumeId volume_id;
    std::string kind;  ///< direct, staged
    std::string state;
    Bytes length = 0;
    bool target_is_zero = false;
    std::string overlay_path;  ///< of the data file; empty for direct ones
    std::optional<std::string> digest;

    /// Of the id, for logs and errors: an open session's whole id is the name of its export.
    std::string short_id() const { return id.value.substr(0, 8); }
    bool is_staged() const { return kind == "staged"; }
    bool is_active() const { return state == "open" || state == "committing"; }
};

class WriteSessionRepository {
  public:
    WriteSessionRepository(std::shared_ptr<db::Database> database, const Clock& clock);

    std::optional<WriteSessionRow> find(const WriteSessionId& id) const;
    /// Throws Error{not_found}.
    WriteSessionRow require(const WriteSessionId& id) const;
    std::optional<WriteSessionRow> find_of_job(const JobId& job_id, const VolumeId& volume_id) const;
    /// The open or committing session of a volume.
    std::optional<WriteSessionRow> find_active(const VolumeId& volume_id) const;
    std::vector<WriteSessionRow> list_of_job(const JobId& job_id) const;
    std::vector<WriteSessionRow> list_active() const;

    /// Session and export rows in one transaction; an aborted session of the same job and volume is replaced.
    void insert_open(const WriteSessionRow& row);
    /// Only from `from`, removing the export row. Throws Error{conflict} when the session is not in that state.
    void change_state(const WriteSessionId& id, const std::string& from, const std::string& to);
    /// committing -> committed with the digest, also into the volume's row.
    void complete(const WriteSessionRow& row, const std::string& digest);
    /// An open session goes over to another job; an aborted one of that job and the same volume is replaced. Throws
    /// Error{conflict} when it is not open any more, or not that job's.
    void change_job(const WriteSessionRow& row, const JobId& next);

  private:
    const std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

/// Throws Error{conflict} naming the job when the volume has an open or committing session.
void require_no_active_session(const WriteSessionRepository& sessions, const VolumeId& volume_id,
                               const std::string& what);

}  // namespace mk::volumes

#pragma once
// Recovery points: written whole in one transaction, which is the commit record of a pass (decision 7). Thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "db/database.hpp"
#include "model/recovery_point.hpp"

namespace mk::recovery {

class RecoveryPointRepository {
  public:
    RecoveryPointRepository(std::shared_ptr<db::Database> database, const Clock& clock);

    /// Writes the commit record (state "committed", digests still unknown) inside the caller's transaction. One per
    /// job.
    RecoveryPointId commit(db::Session& session, const RecoveryPoint& point);
    /// Every byte is on its volume: digests by disk are stored, the state becomes "applied".
    void mark_applied(const RecoveryPointId& id, const std::vector<std::pair<DiskId, std::string>>& digests);

    /// The volume of the disk is about to be grown: its digest will be another one with the same bytes in front. Clears
    /// the one of the machine's newest point; whoever needs it reads the volume anew. No effect when there is none.
    void forget_digest(const VmContextId& vm, const DiskId& disk);
    void set_digest(const RecoveryPointId& id, const DiskId& disk, const std::string& digest);

    /// The volumes of the machine are about to be deleted: nothing may build on its points any more.
    void forget_all(const VmContextId& vm);

    /// The newest, applied or not. A failover needs an applied one.
    std::optional<RecoveryPoint> latest(const VmContextId& vm) const;
    std::optional<RecoveryPoint> of_job(const JobId& job) const;
    /// Newest first.
    std::vector<RecoveryPoint> list(const VmContextId& vm, int limit) const;

  private:
    RecoveryPoint with_disks(const db::Row& row) const;

    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::recovery

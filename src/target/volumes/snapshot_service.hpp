#pragma once
// One snapshot per replica volume, tracked in its row so that it outlives every attachment (inventory J). Snapshots are
// taken and reverted only while the volume is detached. Operations on one volume are serialised by the caller; every
// one may be repeated.
//
//   none --create--> creating --BackedUp--> ready --revert--> rollback_complete        creating --Error--> failed
//   any --remove, absence seen--> none

#include <string>
#include <vector>

#include "target/volumes/clone_service.hpp"
#include "target/volumes/cloud_access.hpp"
#include "target/volumes/digest_map.hpp"
#include "target/volumes/operation_runner.hpp"
#include "target/volumes/volume_repository.hpp"
#include "target/volumes/write_session_repository.hpp"

namespace mk::volumes {

struct SnapshotView {
    VolumeRow row;
    bool revertable = false;
};

class SnapshotService {
  public:
    struct Parts {
        CloudAccess& cloud;
        VolumeRepository& volumes;
        WriteSessionRepository& sessions;
        const DigestMap& digests;
        Ledger& ledger;
        const Clock& clock;
        CloneService& clones;
    };
    explicit SnapshotService(Parts parts) : parts_(parts) {}

    /// Error{conflict} when the volume is attached, has another snapshot, had this one and it is gone from CloudStack,
    /// or, when it `must_revert`, its storage cannot revert to it (it is removed then).
    SnapshotView create(const VolumeId& volume_id, const std::string& name, bool must_revert, const Progress& progress);
    /// Takes only a snapshot in status ready or rollback_complete (a repetition).
    SnapshotView revert(const VolumeId& volume_id, const Progress& progress);
    /// Error{conflict} while clones of it exist.
    void remove(const VolumeId& volume_id, const Progress& progress);
    std::vector<SnapshotView> list(const VmContextId& vm_context_id, const std::stop_token& stop) const;

  private:
    void refuse_second(const VolumeRow& row, const std::string& name) const;
    cloudstack::SnapshotInfo find_ready(const VolumeRow& row, const Cloud& cloud, const Progress& progress) const;
    cloudstack::SnapshotInfo take(VolumeRow& row, const std::string& name, const Cloud& cloud,
                                  const Progress& progress);
    void clear(VolumeRow row);

    Parts parts_;
};

}  // namespace mk::volumes

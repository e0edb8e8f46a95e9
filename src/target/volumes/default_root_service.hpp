#pragma once
// The root volume that a shell machine was deployed with: thrown away before a replica or a clone takes its place. Its
// id is read from the machine itself, written down before it is detached, and is never that of a volume that we know
// (cloudstack.md section 9.4). Thread-safe.

#include "target/volumes/cloud_access.hpp"
#include "target/volumes/key_locks.hpp"
#include "target/volumes/volume_repository.hpp"

namespace mk::volumes {

class DefaultRootService {
  public:
    struct Parts {
        CloudAccess& cloud;
        VolumeRepository& volumes;
        Ledger& ledger;
        KeyLocks& locks;
    };
    explicit DefaultRootService(Parts parts) : parts_(parts) {}

    /// Detaches and deletes it. Returns its id; empty when the machine has none any more, also when a replica or a
    /// clone has taken its place. Error{forbidden} for the appliance, and for a volume that we know.
    VolumeId discard(const CloudMachineId& vm_id, const Progress& progress);

  private:
    VolumeId find(const CloudMachineId& vm_id, const Cloud& cloud, const Progress& progress) const;

    Parts parts_;
};

}  // namespace mk::volumes

#pragma once
// Clones: volumes of their own, made from the snapshot of a replica, for tests beside the running replication. Each is
// recorded, and in the ledger, before it exists; its record goes when its absence was seen (VolumeService::remove).
// While a clone is recorded its replica's snapshot is kept. Operations on one replica are serialised by the caller
// (operation runner, key = the replica's id). Thread-safe.
//
//   recorded --made--> known by its id --removed, absence seen--> forgotten
//      `--refused, no such volume seen--> forgotten

#include <optional>
#include <string>
#include <vector>

#include "target/volumes/cloud_access.hpp"
#include "target/volumes/volume_repository.hpp"
#include "target/volumes/volume_service.hpp"

namespace mk::volumes {

class CloneService {
  public:
    struct Parts {
        CloudAccess& cloud;
        VolumeRepository& volumes;
        VolumeService& service;
        Ledger& ledger;
    };
    explicit CloneService(Parts parts) : parts_(parts) {}

    /// From the replica's snapshot, which must be ready. Found again by its name, so it may be repeated.
    /// Error{conflict} when the snapshot is not usable, or the name is taken by another volume.
    VolumeView create(const VolumeId& replica, const std::string& name, const Progress& progress);
    /// Those that are recorded and exist, or whose absence was not noted yet (state "Absent").
    std::vector<VolumeView> list(const std::optional<VmContextId>& vm_context_id, const std::stop_token& stop);
    /// Before the replica's snapshot is deleted: Error{conflict} naming the clones that exist. Records of clones that
    /// were never made are forgotten.
    void require_none(const VolumeRow& replica, const Cloud& cloud, const Progress& progress);

  private:
    CloneRow record(const VolumeRow& replica, const std::string& name, const Cloud& cloud, const Progress& progress);
    cloudstack::VolumeInfo make(const VolumeRow& replica, const CloneRow& clone, const Cloud& cloud,
                                const Progress& progress);
    void note_made(const CloneRow& clone, const VolumeId& volume);
    bool adopt(CloneRow& clone, const Cloud& cloud, const std::stop_token& stop);
    void forget_unmade(CloneRow clone, const Cloud& cloud, const Progress& progress);

    Parts parts_;
};

}  // namespace mk::volumes

#pragma once
// FrozenMachine on a snapshot of ours. Keeps session and readers alive, so it may outlive the Vcenter that made it.

#include <mutex>

#include "source/vsphere/disk_readers.hpp"
#include "source/vsphere/freezer.hpp"
#include "source/vsphere/vsphere.hpp"

namespace mk::vsphere {

class FrozenSnapshot : public FrozenMachine {
  public:
    FrozenSnapshot(std::shared_ptr<Session> session, std::shared_ptr<DiskReaders> readers, FrozenState state,
                   std::string datacenter);
    /// Does not remove the snapshot (that may take hours and fail): release() does, and the sweep finds what was
    /// forgotten.
    ~FrozenSnapshot() override;
    FrozenSnapshot(const FrozenSnapshot&) = delete;
    FrozenSnapshot& operator=(const FrozenSnapshot&) = delete;

    const std::string& moref() const override { return state_.snapshot.reference.id; }
    const std::string& name() const override { return state_.snapshot.name; }
    Instant taken_at() const override { return state_.snapshot.created; }
    std::string consistency() const override { return state_.is_application_consistent ? "application" : "crash"; }
    const std::vector<FrozenDisk>& disks() const override { return disks_; }
    std::vector<Range> changed_areas(const DiskId& disk, const std::string& since,
                                     const std::stop_token& stop) override;
    std::unique_ptr<block::BlockSource> open(const DiskId& disk, const std::stop_token& stop) override;
    void release(const std::stop_token& stop) override;

  private:
    const FrozenDisk& find(const DiskId& disk) const;
    void close_readers();

    const std::shared_ptr<Session> session_;
    const std::shared_ptr<DiskReaders> readers_;
    const FrozenState state_;
    const std::string datacenter_;
    std::vector<FrozenDisk> disks_;

    std::mutex mutex_;  // protects what follows
    std::vector<std::weak_ptr<ReconnectingSource>> open_;
    bool released_ = false;
};

}  // namespace mk::vsphere

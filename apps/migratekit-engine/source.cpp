#include "source.hpp"

#include "base/error.hpp"

namespace mk {

namespace {

class FrozenVsphereMachine : public engine::FrozenMachine {
  public:
    FrozenVsphereMachine(std::shared_ptr<vsphere::Vcenter> vcenter, std::unique_ptr<vsphere::FrozenMachine> frozen)
        : vcenter_(std::move(vcenter)), frozen_(std::move(frozen)) {
        for (const vsphere::FrozenDisk& disk : frozen_->disks()) {
            disks_.push_back({.id = disk.id,
                              .capacity = disk.capacity,
                              .backing_uuid = disk.backing_uuid,
                              .change_id = disk.change_id});
        }
    }

    const std::vector<engine::FrozenDisk>& disks() const override { return disks_; }
    Instant taken_at() const override { return frozen_->taken_at(); }
    std::string consistency() const override { return frozen_->consistency(); }
    std::vector<Range> changed_areas(const DiskId& disk, const std::string& since,
                                     const std::stop_token& stop) override {
        return frozen_->changed_areas(disk, since, stop);
    }
    std::unique_ptr<block::BlockSource> open(const DiskId& disk, const std::stop_token& stop) override {
        return frozen_->open(disk, stop);
    }
    void release(const std::stop_token& stop) override { frozen_->release(stop); }

  private:
    std::shared_ptr<vsphere::Vcenter> vcenter_;  // first: the session must outlive the snapshot
    std::unique_ptr<vsphere::FrozenMachine> frozen_;
    std::vector<engine::FrozenDisk> disks_;
};

}  // namespace

VsphereSource::VsphereSource(const contracts::PassRequest& request, SourceOptions options)
    : request_(request), options_(std::move(options)) {}

std::unique_ptr<engine::FrozenMachine> VsphereSource::freeze(const std::function<void(std::string_view)>& on_stage,
                                                             const std::stop_token& stop) {
    on_stage("Connecting");
    vsphere::Access access;
    access.url = request_.vcenter.url;
    access.username = request_.vcenter.username;
    access.password = request_.vcenter.password;
    access.certificate_sha256 = request_.vcenter.certificate_sha256;
    access.readers = options_.readers;
    const std::shared_ptr<vsphere::Vcenter> vcenter = vsphere::Vcenter::connect(access, stop);
    const SourceMachine machine = vcenter->machine(request_.moref, stop);
    if (!request_.instance_uuid.empty() && machine.instance_uuid != request_.instance_uuid) {
        throw Error(ErrorCode::conflict,
                    "at " + request_.moref + " the vCenter has another machine than '" + request_.machine_name + "'",
                    {.consequence = "Nothing was copied; the last recovery point is unchanged.",
                     .remedy = "Discover the machine again: it was registered anew or removed."})
            .with_native("SourceChanged");
    }
    vsphere::FreezeOptions options;
    options.job_id = request_.job_id.value;
    options.appliance_id = options_.appliance_id;
    options.quiesce = request_.quiesce;
    options.on_stage = on_stage;
    options.on_snapshot = options_.on_snapshot;
    return std::make_unique<FrozenVsphereMachine>(vcenter, vcenter->freeze(request_.moref, options, stop));
}

}  // namespace mk

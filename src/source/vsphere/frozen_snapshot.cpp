#include "source/vsphere/frozen_snapshot.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "source/vsphere/change_tracking.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view everything_allocated = "*";

/// The caller's end of a reader that release() can close.
class SharedReader : public block::BlockSource {
  public:
    explicit SharedReader(std::shared_ptr<ReconnectingSource> source) : source_(std::move(source)) {}
    Bytes capacity() const override { return source_->capacity(); }
    Bytes max_request() const override { return source_->max_request(); }
    std::unique_ptr<block::ReadChannel> open_channel(const std::stop_token& stop) override {
        return source_->open_channel(stop);
    }
    std::vector<block::Extent> extents(Range range, const std::stop_token& stop) override {
        return source_->extents(range, stop);
    }

  private:
    std::shared_ptr<ReconnectingSource> source_;
};

}  // namespace

FrozenSnapshot::FrozenSnapshot(std::shared_ptr<Session> session, std::shared_ptr<DiskReaders> readers,
                               FrozenState state, std::string datacenter)
    : session_(std::move(session)),
      readers_(std::move(readers)),
      state_(std::move(state)),
      datacenter_(std::move(datacenter)) {
    for (const auto& disk : state_.hardware.disks) {
        disks_.push_back(
            {disk_id_from_key(disk.key), disk.key, disk.capacity, disk.uuid, disk.change_id, disk.file_name});
    }
}

FrozenSnapshot::~FrozenSnapshot() {
    close_readers();
    if (!released_) {
        log::warn("vm={} the snapshot '{}' ({}) was not released; a sweep removes it", state_.vm.id, name(), moref());
    }
}

const FrozenDisk& FrozenSnapshot::find(const DiskId& disk) const {
    const auto found =
        std::find_if(disks_.begin(), disks_.end(), [&](const FrozenDisk& frozen) { return frozen.id == disk; });
    if (found == disks_.end()) {
        throw Error(ErrorCode::not_found, "the snapshot " + moref() + " has no " + disk.value,
                    {.remedy = "The machine's disks have changed: discover again.", .retry_safe = true});
    }
    return *found;
}

std::vector<Range> FrozenSnapshot::changed_areas(const DiskId& disk, const std::string& since,
                                                 const std::stop_token& stop) {
    const auto& frozen = find(disk);
    if (since == everything_allocated && frozen.change_id.empty()) {
        return {{0, frozen.capacity}};  // what no tracking watches cannot be known to be unallocated
    }
    if (since != everything_allocated && frozen.change_id.empty()) {
        throw tracking_reset("it is not active for " + disk.value);
    }
    if (since != everything_allocated && tracking_uuid_of(since) != tracking_uuid_of(frozen.change_id)) {
        throw tracking_reset(disk.value + " has a new tracking id");
    }
    return query_areas(*session_, {state_.vm, state_.snapshot.reference, frozen.device_key, frozen.capacity, since},
                       stop);
}

std::unique_ptr<block::BlockSource> FrozenSnapshot::open(const DiskId& disk, const std::stop_token& stop) {
    const auto& frozen = find(disk);
    {
        const std::lock_guard lock(mutex_);
        if (released_) {
            throw Error(ErrorCode::conflict, "the snapshot " + moref() + " is already released");
        }
    }
    auto source =
        readers_->open({state_.vm, state_.snapshot.reference, datacenter_, frozen.file_name, frozen.capacity}, stop);
    const std::lock_guard lock(mutex_);
    std::erase_if(open_, [](const auto& reader) { return reader.expired(); });
    open_.push_back(source);
    return std::make_unique<SharedReader>(std::move(source));
}

void FrozenSnapshot::close_readers() {
    std::vector<std::weak_ptr<ReconnectingSource>> open;
    {
        const std::lock_guard lock(mutex_);
        open.swap(open_);
    }
    for (const auto& reader : open) {
        if (const auto source = reader.lock()) {
            source->close();
        }
    }
}

void FrozenSnapshot::release(const std::stop_token& stop) {
    close_readers();
    remove_snapshot(*session_, state_.vm, state_.snapshot.reference, stop);
    const std::lock_guard lock(mutex_);
    released_ = true;
}

}  // namespace mk::vsphere

#include "engine/copier.hpp"

#include "engine/lane_pool.hpp"

namespace mk::engine {

std::vector<CopyOutcome> copy_disks(const std::vector<DiskTask>& tasks, const CopyOptions& options,
                                    const StatusCallback& on_status, const std::stop_token& stop) {
    return LanePool(tasks, options).run(on_status, stop);
}

CopyOutcome copy_disk(const Plan& plan, block::BlockSource& source, block::BlockSink& sink, const CopyOptions& options,
                      const std::stop_token& stop) {
    // Borrowed: the source belongs to the caller.
    const std::shared_ptr<block::BlockSource> borrowed(std::shared_ptr<void>{}, &source);
    const std::vector<DiskTask> tasks{{.name = "the disk",
                                       .plan = &plan,
                                       .open_source = [&](const std::stop_token&) { return borrowed; },
                                       .sink = &sink}};
    return std::move(copy_disks(tasks, options, {}, stop).front());
}

}  // namespace mk::engine

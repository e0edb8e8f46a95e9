#pragma once
// Gives lanes to disks: every lane is a thread. A disk that waits gets the first lane that is free; once no disk waits,
// lanes are added one by one to the disk that has the fewest, as long as lanes mostly wait and the last addition raised
// the rate. One that did not leaves again.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include <time.h>

#include "engine/disk_copy.hpp"
#include "engine/lane.hpp"
#include "engine/lane_meter.hpp"
#include "engine/leg_watch.hpp"

namespace mk::engine {

class LanePool {
  public:
    LanePool(const std::vector<DiskTask>& tasks, const CopyOptions& options);
    ~LanePool();

    /// Copies all disks. Tells `on_status` from the calling thread. Throws the first failure.
    std::vector<CopyOutcome> run(const StatusCallback& on_status, const std::stop_token& stop);

  private:
    using Time = std::chrono::steady_clock::time_point;

    struct Disk {
        std::unique_ptr<DiskCopy> copy;
        CopyCounts left;  ///< of lanes that ended
        std::size_t lanes = 0;
        bool is_started = false;
        bool is_finished = false;
    };
    struct Worker {
        std::size_t disk = 0;
        std::unique_ptr<LaneMeter> meter = std::make_unique<LaneMeter>();
        std::atomic<bool> is_leaving{false};
        bool is_extra = false;             ///< its disk has others: they can do without it
        std::atomic<clockid_t> clock{-1};  ///< of the thread's processor time
        bool is_over = false;
        std::jthread thread{};
    };

    std::size_t first_lanes() const;
    bool add_lane();
    void start_worker(std::size_t disk);
    void work(Worker& worker);
    void run_lane(Worker& worker);
    bool connect_extra(Lane& lane, const std::string& disk);
    bool next_disk(Worker& worker);
    void end_lane(Worker& worker);
    void fail(std::exception_ptr failure);

    // All below under the mutex.
    void reap();
    void adapt();
    void remove_lane();
    LegSample sample();
    CopyStatus status() const;
    CopyCounts counts_of(std::size_t disk) const;
    bool is_over() const;
    std::vector<CopyOutcome> outcomes();

    const CopyOptions& options_;
    std::stop_source everybody_;
    LegWatch watch_;
    LaneGrowth growth_;

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<Disk> disks_;
    std::list<Worker> workers_;
    std::size_t next_waiting_ = 0;
    LegSample left_;    ///< of lanes that ended, and the lane time so far
    LegSample before_;  ///< at the beginning of the window
    std::exception_ptr failure_;
};

}  // namespace mk::engine

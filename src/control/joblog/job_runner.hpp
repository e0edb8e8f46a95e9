#pragma once
// Threads that run jobs: one per job, stoppable one by one, joined at the end. Shared shape of replication and failover.

#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

#include "model/ids.hpp"

namespace mk::joblog {

/// Thread-safe. stop() asks every job to stop and waits for it.
class JobRunner {
  public:
    using Work = std::function<void(const std::stop_token&)>;

    ~JobRunner() { stop(); }
    /// `work` must not throw. A finished thread is joined at the next start.
    void start(const JobId& job, Work work);
    /// True when the job runs here.
    bool cancel(const JobId& job);
    void stop();

  private:
    struct Worker {
        std::jthread thread;
        bool finished = false;
    };
    void reap_locked();

    std::mutex mutex_;
    std::map<JobId, Worker> workers_;  // guarded by mutex_
    bool stopping_ = false;            // guarded by mutex_
};

}  // namespace mk::joblog

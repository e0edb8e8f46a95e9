#pragma once
// Threads that run jobs: one per job, stoppable one by one, joined at the end. Shared shape of replication and
// failover.

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

#include "model/ids.hpp"

namespace mk::joblog {

/// Thread-safe. stop() asks every job to stop and waits for it. A job may start another one, but must not call stop().
class JobRunner {
  public:
    using Work = std::function<void(const std::stop_token&)>;

    /// `record_pause`: how long insist() waits between two tries.
    explicit JobRunner(std::chrono::milliseconds record_pause = std::chrono::seconds{5})
        : record_pause_(record_pause) {}
    ~JobRunner() { stop(); }
    JobRunner(const JobRunner&) = delete;
    JobRunner& operator=(const JobRunner&) = delete;

    /// A finished thread is joined at the next start. What `work` throws is logged and lost.
    /// Throws Error{unavailable} while stopping or without threads, Error{conflict} when the job runs already.
    void start(const JobId& job, Work work);
    /// True when the job runs here.
    bool cancel(const JobId& job);
    /// For the last word of a job, called on its own thread: repeats `record` until it does not throw, so that a
    /// database that is locked or full for a while does not leave a job open for ever. Gives up, and says so, only when
    /// the runner stops: the next start of the service settles the job then.
    void insist(const JobId& job, const std::function<void()>& record);
    void stop();

  private:
    struct Worker {
        std::jthread thread;
        bool finished = false;
    };
    void reap_locked();

    const std::chrono::milliseconds record_pause_;
    std::stop_source stop_;
    std::mutex mutex_;
    std::map<JobId, Worker> workers_;  // guarded by mutex_
    bool stopping_ = false;            // guarded by mutex_
};

}  // namespace mk::joblog

#pragma once
// A fixed number of threads that run jobs from a bounded queue. submit() is thread-safe; jobs must not throw.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mk::http {

class WorkerPool {
  public:
    using Job = std::function<void()>;

    WorkerPool(unsigned workers, std::size_t max_queued);
    /// Stops.
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    /// False when `max_queued` jobs are waiting already, or after stop().
    bool submit(Job job);
    /// Drops what is still waiting and returns when the running jobs have ended. Idempotent.
    void stop();

  private:
    void work();

    const std::size_t max_queued_;

    std::mutex queue_mutex_;
    std::condition_variable queue_changed_;
    std::deque<Job> queue_;
    bool is_stopped_ = false;

    std::vector<std::jthread> threads_;
};

}  // namespace mk::http

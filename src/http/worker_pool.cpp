#include "http/worker_pool.hpp"

#include <utility>

namespace mk::http {

WorkerPool::WorkerPool(unsigned workers, std::size_t max_queued) : max_queued_(max_queued) {
    threads_.reserve(workers);
    for (unsigned i = 0; i < workers; ++i) {
        threads_.emplace_back([this] { work(); });
    }
}

WorkerPool::~WorkerPool() {
    stop();
}

bool WorkerPool::submit(Job job) {
    {
        const std::lock_guard lock(queue_mutex_);
        if (is_stopped_ || queue_.size() >= max_queued_) {
            return false;
        }
        queue_.push_back(std::move(job));
    }
    queue_changed_.notify_one();
    return true;
}

void WorkerPool::stop() {
    std::deque<Job> dropped;
    {
        const std::lock_guard lock(queue_mutex_);
        is_stopped_ = true;
        dropped.swap(queue_);
    }
    queue_changed_.notify_all();
    threads_.clear();  // joins
}

void WorkerPool::work() {
    for (;;) {
        Job job;
        {
            std::unique_lock lock(queue_mutex_);
            queue_changed_.wait(lock, [this] { return is_stopped_ || !queue_.empty(); });
            if (is_stopped_) {
                return;
            }
            job = std::move(queue_.front());
            queue_.pop_front();
        }
        job();
    }
}

}  // namespace mk::http

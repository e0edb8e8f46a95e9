#include "control/joblog/job_runner.hpp"

#include <utility>
#include <vector>

#include "base/error.hpp"

namespace mk::joblog {

void JobRunner::start(const JobId& job, Work work) {
    const std::lock_guard lock(mutex_);
    reap_locked();
    if (stopping_) {
        throw Error(ErrorCode::unavailable, "the service is stopping", {.remedy = "Try again when it is up.", .retry_safe = true});
    }
    auto& worker = workers_[job];
    worker.thread = std::jthread([this, job, work = std::move(work)](const std::stop_token& stop) {
        work(stop);
        const std::lock_guard inner(mutex_);
        workers_[job].finished = true;
    });
}

bool JobRunner::cancel(const JobId& job) {
    const std::lock_guard lock(mutex_);
    const auto found = workers_.find(job);
    if (found == workers_.end() || found->second.finished) {
        return false;
    }
    found->second.thread.request_stop();
    return true;
}

void JobRunner::stop() {
    std::vector<std::jthread> threads;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        for (auto& [job, worker] : workers_) {
            worker.thread.request_stop();
            threads.push_back(std::move(worker.thread));
        }
    }
    // Joined here, outside the lock: a worker takes the lock to say that it is finished.
    threads.clear();
}

void JobRunner::reap_locked() {
    for (auto it = workers_.begin(); it != workers_.end();) {
        it = it->second.finished ? workers_.erase(it) : std::next(it);
    }
}

}  // namespace mk::joblog

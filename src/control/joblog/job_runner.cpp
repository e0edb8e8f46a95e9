#include "control/joblog/job_runner.hpp"

#include <system_error>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"

namespace mk::joblog {

void JobRunner::start(const JobId& job, Work work) {
    const std::lock_guard lock(mutex_);
    reap_locked();
    if (stopping_) {
        throw Error(ErrorCode::unavailable, "the service is stopping",
                    {.remedy = "Try again when it is up.", .retry_safe = true});
    }
    const auto [entry, is_new] = workers_.try_emplace(job);
    if (!is_new) {
        throw Error(ErrorCode::conflict, "job " + job.value + " runs already");
    }
    try {
        entry->second.thread = std::jthread([this, job, work = std::move(work)](const std::stop_token& stop) {
            try {
                work(stop);
            } catch (const std::exception& error) {
                log::error("job={} ended unexpectedly: {}", job.value, error.what());
            }
            const std::lock_guard inner(mutex_);
            workers_[job].finished = true;
        });
    } catch (const std::system_error& error) {
        workers_.erase(entry);
        throw Error(ErrorCode::unavailable, std::string("no thread for the job: ") + error.what(),
                    {.remedy = "Try again when fewer jobs run.", .retry_safe = true});
    }
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

void JobRunner::insist(const JobId& job, const std::function<void()>& record) {
    for (;;) {
        try {
            return record();
        } catch (const std::exception& error) {
            log::error("job={} its end could not be recorded: {}", job.value, as_error(error).full_text());
        }
        if (!pause(record_pause_, stop_.get_token())) {
            log::error("job={} stays open; it is settled at the next start", job.value);
            return;
        }
    }
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
    stop_.request_stop();
    // Joined here, outside the lock: a worker takes the lock to say that it is finished, and may ask for another job
    // meanwhile.
    threads.clear();
}

void JobRunner::reap_locked() {
    for (auto it = workers_.begin(); it != workers_.end();) {
        it = it->second.finished ? workers_.erase(it) : std::next(it);
    }
}

}  // namespace mk::joblog

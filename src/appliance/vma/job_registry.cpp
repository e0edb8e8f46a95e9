#include "appliance/vma/job_registry.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/log.hpp"

namespace mk::vma {

namespace {

Error interrupted_by_restart() {
    return Error(
        ErrorCode::cancelled, "the VMA service was stopped while the job ran",
        {.consequence = "The copy did not finish; the last recovery point is unchanged. Its snapshot is removed by "
                        "the engine itself or by the next sync.",
         .remedy = "Repeat the sync.",
         .retry_safe = true});
}

}  // namespace

JobRegistry::JobRegistry(const std::string& state_folder, JobLimits limits, EngineRunner& engine,
                         VcenterGateway& vcenter, const Clock& clock)
    : limits_(limits),
      clock_(clock),
      store_(state_folder),
      checkpoints_(state_folder + "/checkpoints", clock),
      bandwidth_(store_.load_limit(), clock),
      runner_(limits.engines, engine, vcenter, bandwidth_, checkpoints_),
      sharing_([this](const std::stop_token& stop) { bandwidth_.keep_current(stop); }) {
    checkpoints_.remove_old();
    load();
}

JobRegistry::~JobRegistry() {
    std::vector<std::jthread> threads;  // joined without the lock: they save their jobs
    const std::lock_guard lock(mutex_);
    for (auto& [id, entry] : jobs_) {
        entry.thread.request_stop();
        threads.push_back(std::move(entry.thread));
    }
}

void JobRegistry::load() {
    for (contracts::PassProgress& progress : store_.load()) {
        const bool was_running = progress.state == "running";
        auto job = std::make_shared<Job>(std::move(progress), clock_);
        jobs_.emplace(job->id(), Entry{job, {}});
        if (was_running) {
            job->fail("interrupted", interrupted_by_restart());
            save(*job);
        }
    }
}

void JobRegistry::start(const contracts::PassRequest& request) {
    JobStore::check_id(request.job_id);
    std::vector<std::jthread> ended;  // joined after the lock is gone
    const std::lock_guard lock(mutex_);
    if (is_known(request)) {
        return;
    }
    auto job = std::make_shared<Job>(request, clock_);
    require_place_for(*job);
    ended = prune();
    save_new(*job);
    Entry& entry = jobs_[request.job_id];
    ended.push_back(std::move(entry.thread));  // of the attempt before
    entry.job = job;
    try {
        entry.thread = std::jthread([this, job](const std::stop_token& stop) {
            runner_.run(*job, stop);
            save_end(*job);
        });
    } catch (const std::exception&) {  // no thread: a job that never ends must not stay
        jobs_.erase(request.job_id);
        store_.remove(request.job_id);
        throw;
    }
}

/// True for an attempt that was started here already, or an earlier one.
bool JobRegistry::is_known(const contracts::PassRequest& request) const {
    const auto found = jobs_.find(request.job_id);
    if (found == jobs_.end()) {
        return false;
    }
    const Job& job = *found->second.job;
    if (request.attempt <= job.attempt()) {
        return true;
    }
    if (!job.is_finished()) {
        throw Error(ErrorCode::conflict,
                    fmt::format("attempt {} of job {} still runs", job.attempt(), request.job_id.value),
                    {.remedy = "Wait for its end or stop it.", .retry_safe = true});
    }
    return false;
}

bool JobRegistry::shares_checkpoint(const Job& running, const Job& job) const {
    if (running.is_finished() || !running.keeps_checkpoint() || !job.keeps_checkpoint()) {
        return false;
    }
    const std::string path = checkpoints_.path(job.instance_uuid());
    return !path.empty() && checkpoints_.path(running.instance_uuid()) == path;
}

void JobRegistry::require_place_for(const Job& job) const {
    std::size_t unfinished = 0;
    for (const auto& [id, entry] : jobs_) {
        unfinished += entry.job->is_finished() ? 0 : 1;
        // The same vCenter may be known by two URLs: two engines must not share a checkpoint either.
        if (entry.job->machine_key() == job.machine_key() || shares_checkpoint(*entry.job, job)) {
            throw Error(ErrorCode::conflict, "job " + id.value + " copies this machine already",
                        {.remedy = "Wait for its end or stop it.", .retry_safe = true});
        }
    }
    if (unfinished >= limits_.waiting) {
        throw Error(ErrorCode::exhausted, std::to_string(unfinished) + " jobs are running or waiting here already",
                    {.remedy = "Try again when some have ended.", .retry_safe = true});
    }
}

/// A job that is not on the disk would be unknown after a restart, while its engine is still removing the snapshot.
void JobRegistry::save_new(const Job& job) {
    try {
        store_.save(job.progress());
    } catch (const Error& error) {
        throw error.within("the job cannot be recorded")
            .advised({.consequence = "It was not started; the last recovery point is unchanged.",
                      .remedy = "Look at the state folder of the VMA: is its disk full?",
                      .retry_safe = true});
    }
}

void JobRegistry::require_idle(const contracts::VcenterAccess& access, const std::string& moref) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : jobs_) {
        if (entry.job->machine_key() == Job::machine_key(access, moref)) {
            throw Error(ErrorCode::conflict, "job " + id.value + " reads from a snapshot of this machine",
                        {.consequence = "No snapshot was removed.",
                         .remedy = "Wait for its end or stop it.",
                         .retry_safe = true});
        }
    }
}

const JobRegistry::Entry& JobRegistry::find(const JobId& id) const {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) {
        throw Error(ErrorCode::not_found, "there is no job '" + id.value + "' here");
    }
    return found->second;
}

contracts::PassProgress JobRegistry::progress(const JobId& id) const {
    const std::lock_guard lock(mutex_);
    return find(id).job->progress();
}

void JobRegistry::stop(const JobId& id) {
    const std::lock_guard lock(mutex_);
    find(id).job->stop.request_stop();
}

void JobRegistry::limit(const JobId& id, Bytes bytes_per_second) {
    const std::lock_guard lock(mutex_);
    find(id).job->set_limit(bytes_per_second);
    bandwidth_.set_cap(id, bytes_per_second);
}

void JobRegistry::limit_all(Bytes bytes_per_second) {
    const std::lock_guard lock(mutex_);
    bandwidth_.set_total(bytes_per_second);
    try {
        store_.save_limit(bytes_per_second);
    } catch (const std::exception& caught) {
        log::error("event=limit_not_saved cause=\"{}\": it holds until the service ends", as_error(caught).full_text());
    }
}

void JobRegistry::forget_checkpoint(const std::string& instance_uuid) {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : jobs_) {
        if (!entry.job->is_finished() && entry.job->keeps_checkpoint() &&
            checkpoints_.path(entry.job->instance_uuid()) == checkpoints_.path(instance_uuid)) {
            throw Error(ErrorCode::conflict, "job " + id.value + " copies this machine",
                        {.consequence = "Its checkpoint was not removed.",
                         .remedy = "Wait for its end or stop it.",
                         .retry_safe = true});
        }
    }
    checkpoints_.forget(instance_uuid);
}

void JobRegistry::forget(const JobId& id) {
    std::jthread ended;  // joined after the lock is gone
    const std::lock_guard lock(mutex_);
    if (!find(id).job->is_finished()) {
        throw Error(ErrorCode::conflict, "job " + id.value + " still runs", {.remedy = "Stop it first."});
    }
    const auto found = jobs_.find(id);
    ended = std::move(found->second.thread);
    store_.remove(id);
    jobs_.erase(found);
}

std::vector<contracts::PassProgress> JobRegistry::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<contracts::PassProgress> all;
    for (const auto& [id, entry] : jobs_) {
        all.push_back(entry.job->summary());
    }
    return all;
}

void JobRegistry::save_end(const Job& job) {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(job.id());
    if (found != jobs_.end() && found->second.job.get() == &job) {  // else it was forgotten, or is another attempt now
        save(job);
    }
}

/// A job whose end is not on the disk is "interrupted" after a restart: its copy is repeated, which is safe.
void JobRegistry::save(const Job& job) {
    try {
        store_.save(job.progress());
    } catch (const std::exception& caught) {
        log::error("event=job_not_saved job={} cause=\"{}\"", job.id().value, as_error(caught).full_text());
    }
}

/// The caller holds the lock, and joins the threads when it has given it back.
std::vector<std::jthread> JobRegistry::prune() {
    std::vector<std::pair<std::int64_t, JobId>> finished;
    for (const auto& [id, entry] : jobs_) {
        if (entry.job->is_finished()) {
            finished.emplace_back(entry.job->summary().heartbeat_ms, id);
        }
    }
    std::sort(finished.begin(), finished.end());
    std::vector<std::jthread> ended;
    for (std::size_t i = 0; i + limits_.finished < finished.size(); ++i) {
        const auto found = jobs_.find(finished[i].second);
        ended.push_back(std::move(found->second.thread));
        store_.remove(found->first);
        jobs_.erase(found);
    }
    return ended;
}

}  // namespace mk::vma

#include "appliance/vma/job_registry.hpp"

#include <algorithm>

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

Error stopped_while_waiting() {
    return Error(ErrorCode::cancelled, "the job was stopped before it began",
                 {.consequence = "Nothing was copied; the last recovery point is unchanged.", .retry_safe = true});
}

}  // namespace

JobRegistry::JobRegistry(std::string state_folder, JobLimits limits, EngineRunner& runner, VcenterGateway& vcenter,
                         const Clock& clock)
    : limits_(limits),
      runner_(runner),
      vcenter_(vcenter),
      clock_(clock),
      slots_(limits.engines),
      store_(std::move(state_folder)) {
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
    if (jobs_.contains(request.job_id)) {
        return;
    }
    auto job = std::make_shared<Job>(request, clock_);
    std::size_t unfinished = 0;
    for (const auto& [id, entry] : jobs_) {
        unfinished += entry.job->is_finished() ? 0 : 1;
        if (entry.job->machine_key() == job->machine_key()) {
            throw Error(ErrorCode::conflict, "job " + id.value + " copies this machine already",
                        {.remedy = "Wait for its end or stop it.", .retry_safe = true});
        }
    }
    if (unfinished >= limits_.waiting) {
        throw Error(ErrorCode::exhausted, std::to_string(unfinished) + " jobs are running or waiting here already",
                    {.remedy = "Try again when some have ended.", .retry_safe = true});
    }
    ended = prune();
    save_new(*job);
    Entry& entry = jobs_[request.job_id];
    entry.job = job;
    try {
        entry.thread = std::jthread([this, job](const std::stop_token& stop) { run(*job, stop); });
    } catch (const std::exception&) {  // no thread: a job that never ends must not stay
        jobs_.erase(request.job_id);
        store_.remove(request.job_id);
        throw;
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

void JobRegistry::run(Job& job, const std::stop_token& service_stop) {
    std::stop_source either;
    const std::stop_callback on_service_stop(service_stop, [&] { either.request_stop(); });
    const std::stop_callback on_operator_stop(job.stop.get_token(), [&] { either.request_stop(); });
    // Who stopped it decides: an operator meant it, a service that ends did not mean the job.
    const auto state_of_stop = [&] { return job.stop.stop_requested() ? "cancelled" : "interrupted"; };
    try {
        const Slots::Lease slot = slots_.take(
            [&](std::size_t place) { job.set_stage("Waiting for a slot (place " + std::to_string(place) + ")"); },
            either.get_token());
        if (slot) {
            job.set_stage("Connecting");
            const EngineExit exit = run_engine(job, either.get_token());
            const bool is_orphaned = !job.has_outcome() && job.may_have_snapshot();
            const std::string aftermath = is_orphaned ? clean_up_after_death(job) : "";
            job.finish(exit, either.stop_requested() ? state_of_stop() : "", aftermath);
            log::info("event=job_ended job={} state={} status={} signal={}", job.id().value, job.summary().state,
                      exit.code, exit.signal);
        } else {
            job.fail(state_of_stop(), stopped_while_waiting());
        }
    } catch (const std::exception& caught) {
        fail(job, as_error(caught));
    }
    save_end(job);
}

/// The engine could not be started, or it could not be attended to any more and was ended.
void JobRegistry::fail(Job& job, const Error& cause) {
    const bool has_begun = job.may_have_snapshot();
    const std::string consequence =
        has_begun ? "The copy did not finish; the last recovery point is unchanged. " + clean_up_after_death(job)
                  : "The copy did not start; the last recovery point is unchanged.";
    const Error error = cause.advised({.consequence = consequence, .retry_safe = true});
    log::error("event=job_failed job={} cause=\"{}\"", job.id().value, error.full_text());
    job.fail("failed", error);
}

EngineExit JobRegistry::run_engine(Job& job, const std::stop_token& stop) {
    log::info("event=engine_started job={} moref={}", job.id().value, job.moref());
    return runner_.run(
        job.id(), job.order(),
        [&](const std::string& line) {
            try {
                job.take_event(line);
            } catch (const std::exception& caught) {  // none may reach the runner: it would kill the engine
                log::warn("event=engine_line_not_understood job={} cause=\"{}\"", job.id().value,
                          as_error(caught).cause());
            }
        },
        stop);
}

/// The engine could not remove its snapshot: we do. Returns what came of it, for the operator.
std::string JobRegistry::clean_up_after_death(Job& job) {
    job.set_stage("Removing snapshot");
    std::string fate;
    try {
        const Swept swept = vcenter_.sweep(job.access(), job.moref(), {});
        fate = swept.remaining.empty() ? "Its snapshot was removed."
                                       : "Its snapshot remains at the source; the next sync removes it first.";
    } catch (const std::exception& caught) {
        fate = "Its snapshot could not be removed (" + as_error(caught).cause() + "); the next sync removes it first.";
    }
    log::warn("event=engine_died job={} fate=\"{}\"", job.id().value, fate);
    return fate;
}

void JobRegistry::save_end(const Job& job) {
    const std::lock_guard lock(mutex_);
    if (jobs_.contains(job.id())) {  // else it was forgotten between its end and now
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

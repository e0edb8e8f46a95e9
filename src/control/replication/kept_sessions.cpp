#include "control/replication/kept_sessions.hpp"

#include <algorithm>
#include <utility>

#include "base/json_fields.hpp"
#include "base/retry.hpp"
#include "control/replication/pass_cleanup.hpp"

namespace mk::replication {

namespace {

constexpr const char* kept_key = "resumable";
constexpr const char* base_key = "base";
/// As it stands in the metadata of a job that keeps something.
constexpr const char* kept_text = R"("resumable":{)";

std::string word_of(const std::optional<RecoveryPoint>& base) {
    return base ? base->id.value : "";
}

/// The jobs that keep sessions, newest first, without `except`.
std::vector<joblog::Job> keeping_jobs(const Collaborators& use, const VmContextId& vm, const JobId& except = {}) {
    auto jobs = use.job_log.list_noting(vm, kept_text);
    std::erase_if(jobs, [&](const joblog::Job& job) {
        const auto metadata = json::parse(job.metadata);
        return job.id == except || !metadata.contains(kept_key) || !metadata.at(kept_key).is_object() ||
               use.recovery_points.of_job(job.id);
    });
    return jobs;
}

bool is_expired(const Collaborators& use, const joblog::Job& job) {
    return job.completed && use.clock.now() - *job.completed > use.pacing.keep_sessions;
}

void drop(Collaborators& use, const joblog::Job& job, const std::string& reason) {
    retry({.first_pause = use.pacing.poll, .give_up_after = use.pacing.clean_up_limit}, {},
          [&] { abort_open_sessions(use, job.id); });
    forget_kept(use, job.id);
    use.job_log.log(job.id, joblog::Level::info, "What arrived in this sync is dropped: " + reason);
}

}  // namespace

void note_kept(Collaborators& use, const JobId& job, const std::optional<RecoveryPoint>& base) {
    use.job_log.remember(job, kept_key, Json{{base_key, word_of(base)}});
}

void forget_kept(Collaborators& use, const JobId& job) {
    use.job_log.remember(job, kept_key, nullptr);
}

bool keeps_sessions(const Collaborators& use, const JobId& job) {
    return use.job_log.recall(job, kept_key).is_object() && !use.recovery_points.of_job(job);
}

std::map<VolumeId, JobId> sessions_to_resume(Collaborators& use, const VmContextId& vm, const JobId& job,
                                             const std::optional<RecoveryPoint>& base) {
    std::map<VolumeId, JobId> found;
    for (const auto& keeping : keeping_jobs(use, vm, job)) {
        const auto its_base =
            json::value_or<std::string>(json::parse(keeping.metadata).at(kept_key), base_key, "unknown");
        if (is_expired(use, keeping)) {
            drop(use, keeping, "it was kept for too long");
            continue;
        }
        if (its_base != word_of(base)) {
            drop(use, keeping, "there is another recovery point now");
            continue;
        }
        for (const auto& session : use.volumes.sessions_of(keeping.id, {})) {
            if (session.state == "open") {
                found.emplace(session.volume_id, keeping.id);
            }
        }
    }
    return found;
}

void close_superseded(Collaborators& use, const VmContextId& vm, const JobId& job) {
    for (const auto& keeping : keeping_jobs(use, vm, job)) {
        abort_open_sessions(use, keeping.id);
        forget_kept(use, keeping.id);
    }
}

bool has_kept_sessions(const Collaborators& use, const VmContextId& vm) {
    return !keeping_jobs(use, vm).empty();
}

bool has_expired_sessions(const Collaborators& use, const VmContextId& vm) {
    const auto jobs = keeping_jobs(use, vm);
    return std::any_of(jobs.begin(), jobs.end(), [&](const auto& job) { return is_expired(use, job); });
}

void drop_resumable(Collaborators& use, const VmContextId& vm) {
    bool is_dropped = false;
    for (const auto& job : jobs_with_leftovers(use, vm)) {
        if (!use.recovery_points.of_job(job.id)) {
            retry({.first_pause = use.pacing.poll, .give_up_after = use.pacing.clean_up_limit}, {},
                  [&] { abort_open_sessions(use, job.id); });
        }
    }
    for (const auto& job : keeping_jobs(use, vm)) {
        drop(use, job, "its volumes are needed for something else");
        if (!std::exchange(is_dropped, true)) {
            forget_checkpoint(use, vm, job.id);
        }
    }
}

void abort_open_sessions(Collaborators& use, const JobId& job) {
    for (const auto& session : use.volumes.sessions_of(job, {})) {
        if (session.state == "open") {
            use.volumes.abort(session.session_id, {});
        }
    }
}

void give_up_sessions(Collaborators& use, const JobId& job) {
    retry({.first_pause = use.pacing.poll, .give_up_after = use.pacing.clean_up_limit}, {}, [&] {
        for (const auto& session : use.volumes.sessions_of(job, {})) {
            if (session.state == "open") {
                use.volumes.abort(session.session_id, {});
            } else if (session.state == "committing") {
                use.volumes.give_up(session.session_id, {});
            }
        }
    });
}

void forget_checkpoint(Collaborators& use, const VmContextId& vm, const JobId& job) {
    const auto machine = use.machines.find(vm);
    if (!machine) {
        return;
    }
    try {
        use.source.forget_checkpoint(machine->source.instance_uuid);
    } catch (const Error& error) {
        // Harmless: a checkpoint names the sessions that it belongs to, and they are gone.
        if (error.code() != ErrorCode::not_found) {
            use.job_log.log(job, joblog::Level::info,
                            "The VMA keeps a checkpoint that is not needed: " + error.cause());
        }
    }
}

}  // namespace mk::replication

#include "control/replication/pass_cleanup.hpp"

#include <algorithm>

#include "base/json_fields.hpp"
#include "base/retry.hpp"
#include "control/replication/kept_sessions.hpp"

namespace mk::replication {

namespace {

constexpr const char* leftovers_key = "leftovers";
/// As it stands in the metadata of a job that left something.
constexpr const char* leftovers_text = R"("leftovers":true)";

class Cleanup {
  public:
    Cleanup(Collaborators& use, const JobId& job, const VmContextId& vm) : use_(use), job_(job), vm_(vm) {}

    std::vector<std::string> run() {
        // The entry is written before the pass is started, so without one there is nothing at the source.
        if (has_source_entry()) {
            // In this order, and no further after a failure: a snapshot that is read from must not be removed.
            attempt("stopping the copy", [&] { use_.source.stop_pass(job_); }) &&
                attempt("waiting for the copy to end", [&] { wait_for_end(); }) &&
                attempt("forgetting the copy", [&] { use_.source.forget_pass(job_); }) &&
                attempt("removing the source snapshot", [&] { sweep(); });
        }
        if (!keeps_sessions(use_, job_)) {
            attempt("closing the write sessions", [&] { abort_open_sessions(use_, job_); });
        }
        return left_;
    }

  private:
    /// True when it is done, or when there is nothing to do it to.
    bool attempt(const std::string& what, const std::function<void()>& work) {
        try {
            retry({.first_pause = use_.pacing.poll, .give_up_after = use_.pacing.clean_up_limit}, {}, work);
        } catch (const std::exception& caught) {
            const auto error = as_error(caught);
            if (error.code() != ErrorCode::not_found) {
                left_.push_back(what + ": " + error.cause());
                return false;
            }
        }
        return true;
    }

    bool has_source_entry() const {
        const auto entries = use_.ledger.open_entries(vm_);
        return std::any_of(entries.begin(), entries.end(),
                           [&](const auto& e) { return e.name == source_snapshot_name(job_); });
    }

    void wait_for_end() {
        wait_until([&] { return use_.source.progress(job_, {}).state != "running"; }, use_.pacing.poll,
                   use_.pacing.clean_up_limit, {}, "the copy did not stop");
    }

    void sweep() {
        const auto machine = use_.machines.find(vm_);
        if (!machine) {
            return;
        }
        const auto access = use_.credentials.access(machine->credential_id);
        const auto remaining = use_.source.sweep_snapshots(access, machine->source.moref, {});
        // Everything of ours at the machine was asked for, so entries of earlier passes are answered too.
        for (const auto& entry : use_.ledger.open_entries(vm_)) {
            if (entry.kind == "vsphere_snapshot" &&
                std::find(remaining.begin(), remaining.end(), entry.name) == remaining.end()) {
                use_.ledger.gone(entry.id);
            }
        }
        if (!remaining.empty()) {
            throw Error(ErrorCode::external, "the snapshot " + remaining.front() + " is still at the source");
        }
    }

    Collaborators& use_;
    const JobId& job_;
    const VmContextId& vm_;
    std::vector<std::string> left_;
};

}  // namespace

std::string source_snapshot_name(const JobId& job) {
    return "migratekit-" + job.value;
}

std::vector<std::string> clean_up_pass(Collaborators& use, const JobId& job, const VmContextId& vm) {
    const auto point = use.recovery_points.of_job(job);
    if (point && !point->applied) {
        return {};
    }
    // Noted before: a process that dies in between leaves the note.
    use.job_log.remember(job, leftovers_key, true);
    auto left = Cleanup(use, job, vm).run();
    if (left.empty()) {
        use.job_log.remember(job, leftovers_key, false);
    }
    return left;
}

std::vector<std::string> abandon_pass(Collaborators& use, const JobId& job, const VmContextId& vm) {
    const auto point = use.recovery_points.of_job(job);
    if (point && !point->applied) {
        return {};  // its sessions hold the rest of a recovery point: the next pass applies it
    }
    forget_kept(use, job);
    auto left = clean_up_pass(use, job, vm);
    try {
        drop_resumable(use, vm);
    } catch (const Error& error) {
        left.push_back("closing the write sessions of earlier syncs: " + error.cause());
    }
    return left;
}

std::vector<joblog::Job> jobs_with_leftovers(const Collaborators& use, const VmContextId& vm) {
    auto jobs = use.job_log.list_noting(vm, leftovers_text);
    std::erase_if(jobs, [](const joblog::Job& job) {
        return !json::value_or<bool>(json::parse(job.metadata), leftovers_key, false);
    });
    return jobs;
}

void require_no_leftovers(Collaborators& use, const VmContextId& vm, joblog::StepContext& step) {
    for (const auto& job : jobs_with_leftovers(use, vm)) {
        if (job.id == step.job()) {
            continue;
        }
        step.info("Cleaning up what job " + job.id.value + " left behind");
        const auto left = clean_up_pass(use, job.id, vm);
        if (!left.empty()) {
            throw Error(ErrorCode::unavailable, "an earlier sync could not be cleaned up yet: " + left.front(),
                        {.consequence = "Nothing was sent; the last recovery point is unchanged.",
                         .remedy = "See that the appliances at both sites can be reached, then start the sync again.",
                         .retry_safe = true});
        }
    }
}

}  // namespace mk::replication

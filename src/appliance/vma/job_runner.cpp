#include "appliance/vma/job_runner.hpp"

#include <utility>

#include <fmt/core.h>

#include "base/log.hpp"

namespace mk::vma {

namespace {

Error stopped_while_waiting() {
    return Error(ErrorCode::cancelled, "the job was stopped before it began",
                 {.consequence = "Nothing was copied; the last recovery point is unchanged.", .retry_safe = true});
}

/// Leaves however the engine ends; one that never joined leaves as well.
class Membership {
  public:
    Membership(Bandwidth& bandwidth, JobId job) : bandwidth_(bandwidth), job_(std::move(job)) {}
    ~Membership() { bandwidth_.leave(job_); }
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

  private:
    Bandwidth& bandwidth_;
    const JobId job_;
};

}  // namespace

void JobRunner::run(Job& job, const std::stop_token& service_stop) {
    std::stop_source either;
    const std::stop_callback on_service_stop(service_stop, [&] { either.request_stop(); });
    const std::stop_callback on_operator_stop(job.stop.get_token(), [&] { either.request_stop(); });
    // Who stopped it decides: an operator meant it, a service that ends did not mean the job.
    const auto state_of_stop = [&] { return job.stop.stop_requested() ? "cancelled" : "interrupted"; };
    try {
        const Slots::Lease slot = slots_.take(
            job.priority(),
            [&](const Slots::Place& place) {
                job.set_stage(fmt::format("Waiting for a slot (place {} of {})", place.number, place.waiting));
            },
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
}

/// The engine could not be started, or it could not be attended to any more and was ended.
void JobRunner::fail(Job& job, const Error& cause) {
    const bool has_begun = job.may_have_snapshot();
    const std::string consequence =
        has_begun ? "The copy did not finish; the last recovery point is unchanged. " + clean_up_after_death(job)
                  : "The copy did not start; the last recovery point is unchanged.";
    const Error error = cause.advised({.consequence = consequence, .retry_safe = true});
    log::error("event=job_failed job={} cause=\"{}\"", job.id().value, error.full_text());
    job.fail("failed", error);
}

EngineExit JobRunner::run_engine(Job& job, const std::stop_token& stop) {
    log::info("event=engine_started job={} attempt={} moref={}", job.id().value, job.attempt(), job.moref());
    const Membership membership(bandwidth_, job.id());
    const EngineTask task{.job = job.id(),
                          .attempt = job.attempt(),
                          .order = job.order(),
                          .checkpoint_file = job.keeps_checkpoint() ? checkpoints_.path(job.instance_uuid()) : ""};
    const auto on_start = [&](CommandLine send) {
        bandwidth_.join(job.id(), {.priority = job.priority(), .cap = job.limit(), .send = std::move(send)});
        bandwidth_.set_cap(job.id(), job.limit());  // it may have been changed before it was a member
    };
    const auto on_event = [&](const std::string& line) {
        try {
            job.take_event(line);
            bandwidth_.measured(job.id(), job.wire_bytes());
        } catch (const std::exception& caught) {  // none may reach the engine's runner: it would kill the engine
            log::warn("event=engine_line_not_understood job={} cause=\"{}\"", job.id().value, as_error(caught).cause());
        }
    };
    return engine_.run(task, {.on_start = on_start, .on_event = on_event}, stop);
}

/// The engine could not remove its snapshot: we do. Returns what came of it, for the operator.
std::string JobRunner::clean_up_after_death(Job& job) {
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

}  // namespace mk::vma

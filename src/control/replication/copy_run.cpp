#include "control/replication/copy_run.hpp"

#include <algorithm>
#include <utility>

#include "base/retry.hpp"
#include "control/replication/pass_cleanup.hpp"

namespace mk::replication {

namespace {

const Advice last_point_is_safe = {
    .consequence = "The last recovery point is unchanged.", .remedy = "Start it again.", .retry_safe = true};

/// A session of the vCenter that ended is not a wrong password, which must not be tried again and again.
bool may_vanish(const Error& failure) {
    return failure.retryable() || failure.native() == "NotAuthenticated";
}

std::chrono::milliseconds since(std::chrono::steady_clock::time_point moment) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - moment);
}

/// A disk that is missing in the answer must not be missing in the recovery point without a word (DD 28).
void require_every_disk(const contracts::PassRequest& request, const contracts::PassResult& result) {
    const auto has = [&](const DiskId& id) {
        return std::count_if(result.disks.begin(), result.disks.end(),
                             [&](const auto& d) { return d.disk_id == id; }) == 1;
    };
    const bool complete =
        std::all_of(request.disks.begin(), request.disks.end(), [&](const auto& d) { return has(d.disk_id); });
    if (!complete || result.disks.size() != request.disks.size()) {
        throw Error(ErrorCode::internal, "the VMA reported a completed pass of other disks than were asked for")
            .advised(last_point_is_safe);
    }
}

}  // namespace

CopyRun::CopyRun(Collaborators& use, JobId job, VmContextId vm, joblog::StepContext& step, Order order)
    : use_(use), job_(std::move(job)), vm_(std::move(vm)), step_(step), order_(std::move(order)) {}

contracts::PassResult CopyRun::run(const std::stop_token& stop) {
    // The snapshot is in the ledger before anybody can create it (decision 5).
    const auto entry =
        use_.ledger.intend(ledger::Site::source, "vsphere_snapshot", source_snapshot_name(job_), vm_, job_);
    last_progress_ = Clock::now();
    while (const auto failure = attempt(stop)) {
        wait_for_next_attempt(*failure, stop);
        ++attempt_;
    }
    // The engine reports success only after it saw the snapshot gone.
    use_.ledger.gone(entry);
    forget();
    return *result_;
}

/// The copy is done and its result is here: that the VMA still remembers it must not throw it away.
void CopyRun::forget() {
    try {
        use_.source.forget_pass(job_);
    } catch (const Error& error) {
        step_.info("The VMA keeps the record of this copy, which is not needed: " + error.cause());
    }
}

std::optional<Error> CopyRun::attempt(const std::stop_token& stop) {
    start(stop);
    const auto last = follow(stop);
    if (last.state == "completed") {
        if (!last.result) {
            throw Error(ErrorCode::internal, "the VMA reported a completed pass without a result")
                .advised(last_point_is_safe);
        }
        require_every_disk(request_, *last.result);
        result_ = last.result;
        return std::nullopt;
    }
    auto failure = last.error
                       ? contracts::error_from(*last.error).within("copying " + request_.machine_name)
                       : Error(ErrorCode::unavailable,
                               "the replication engine at the VMware site ended without a result (" + last.state + ")");
    // An engine or a VMA that died says nothing about whether the next one will; whatever it left as its error.
    const bool may_go_on = last.state == "interrupted" || may_vanish(failure);
    if (last.state == "cancelled" || (stopping_since_ && may_go_on)) {
        throw Error(ErrorCode::cancelled, "the copy was stopped", last_point_is_safe);
    }
    failure = failure.advised(last_point_is_safe);
    if (!may_go_on) {
        throw failure;
    }
    return failure;
}

void CopyRun::start(const std::stop_token& stop) {
    // A repeated start of the same attempt starts nothing, so a lost answer does no harm. Later attempts have something
    // to lose, and wait longer.
    const auto limit = attempt_ == 1 ? use_.pacing.heartbeat_limit : use_.pacing.patience;
    bool is_told = false;
    retry(
        {.first_pause = use_.pacing.poll, .longest_pause = use_.pacing.longest_attempt_pause, .give_up_after = limit},
        stop,
        [&] {
            request_ = order_(attempt_);
            request_.attempt = attempt_;
            use_.source.start_pass(request_, stop);
        },
        [&](const Error& error) {
            if (!std::exchange(is_told, true)) {
                step_.info("The copy cannot be started yet: " + error.cause());
            }
        });
    limit_told_.reset();
    lost_.reset();
    last_answer_ = Clock::now();
}

contracts::PassProgress CopyRun::follow(const std::stop_token& stop) {
    for (;;) {
        if (!stopping_since_ && is_asked_to_stop(stop)) {
            stopping_since_ = Clock::now();
            step_.info("Stopping the copy");
        }
        const auto progress = look();
        if (progress && progress->state != "running") {
            return *progress;
        }
        check_patience();
        pause(use_.pacing.poll, stopping_since_ ? std::stop_token{} : stop);
    }
}

/// Nothing when the VMA did not answer.
std::optional<contracts::PassProgress> CopyRun::look() {
    try {
        tell_to_stop();
        push_limit();
        auto progress = use_.source.progress(job_, {});
        note_answer();
        note(progress);
        return progress;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            // The VMA was set up anew or lost its state: nothing runs there for us.
            contracts::PassProgress gone;
            gone.state = "interrupted";
            return gone;
        }
        if (!error.retryable()) {
            throw error.within("following the copy").advised(last_point_is_safe);
        }
        lost_ = error;
        return std::nullopt;
    }
}

void CopyRun::tell_to_stop() {
    if (stopping_since_ && !stop_told_) {
        use_.source.stop_pass(job_);
        stop_told_ = true;
    }
}

void CopyRun::push_limit() {
    const auto limit = use_.bandwidth.limit_now();
    if (limit_told_ == limit) {
        return;
    }
    try {
        use_.source.set_limit(limit);
        if (limit > 0 || limit_told_) {
            step_.info(limit > 0 ? "The limit between the sites is " + format_bytes(limit) + "/s"
                                 : "There is no limit between the sites any more");
        }
    } catch (const Error& error) {
        if (error.retryable()) {
            throw;
        }
        step_.warn("The VMA does not keep the limit between the sites: " + error.cause());
    }
    limit_told_ = limit;
}

void CopyRun::note(const contracts::PassProgress& progress) {
    use_.replications.set_progress(job_, progress);
    for (const auto& disk : progress.disks) {
        use_.machines.set_disk_progress(vm_, disk.disk_id, disk.total_bytes, disk.done_bytes);
    }
    if (progress.done_bytes > most_done_) {
        most_done_ = progress.done_bytes;
        last_progress_ = Clock::now();
        idle_attempts_ = 0;
    }
    if (!progress.stage.empty() && progress.stage != last_stage_) {
        last_stage_ = progress.stage;
        step_.detail(progress.stage);
    }
    step_.progress(progress.percent / 100.0);
}

void CopyRun::note_answer() {
    if (lost_ && std::exchange(loss_told_, false)) {
        step_.info("The VMA answers again after " + format_duration(since(last_answer_)) + ": following the copy");
        limit_told_.reset();  // it may have been started anew
    }
    lost_.reset();
    last_answer_ = Clock::now();
}

void CopyRun::check_patience() {
    if (stopping_since_ && since(*stopping_since_) > use_.pacing.stop_limit) {
        throw Error(ErrorCode::cancelled, "the copy was stopped, but has not ended yet", last_point_is_safe);
    }
    if (!lost_ || since(last_answer_) <= use_.pacing.heartbeat_limit) {
        return;
    }
    if (stopping_since_) {
        throw Error(ErrorCode::cancelled, "the copy was stopped, but the VMA cannot be told: " + lost_->cause(),
                    last_point_is_safe);
    }
    if (since(last_answer_) > use_.pacing.patience) {
        throw lost_->within("following the copy").advised(last_point_is_safe);
    }
    if (!std::exchange(loss_told_, true)) {
        use_.replications.set_operation(job_, "Waiting for the VMware site");
        step_.warn("The VMA cannot be asked (" + lost_->cause() + "). The copy may go on there; waiting up to " +
                   format_duration(use_.pacing.patience) + " for an answer");
    }
}

void CopyRun::wait_for_next_attempt(const Error& failure, const std::stop_token& stop) {
    ++idle_attempts_;
    const bool is_hopeless = idle_attempts_ >= use_.pacing.idle_attempts ||
                             (idle_attempts_ > 1 && since(last_progress_) > use_.pacing.patience);
    if (attempt_ >= use_.pacing.attempts || is_hopeless) {
        throw failure.within("after " + std::to_string(attempt_) + " attempts");
    }
    auto length = use_.pacing.attempt_pause;
    for (int i = 1; i < idle_attempts_ && length < use_.pacing.longest_attempt_pause; ++i) {
        length *= 2;
    }
    length = std::min(length, use_.pacing.longest_attempt_pause);
    step_.warn("Attempt " + std::to_string(attempt_) + " ended: " + failure.cause() +
               ". What arrived is kept; attempt " + std::to_string(attempt_ + 1) + " begins in " +
               format_duration(length));
    use_.replications.set_operation(job_, "Waiting for the next attempt");
    last_stage_.clear();
    if (!pause(length, stop) || is_asked_to_stop(stop)) {
        throw Error(ErrorCode::cancelled, "the copy was stopped", last_point_is_safe);
    }
}

bool CopyRun::is_asked_to_stop(const std::stop_token& stop) const {
    return stop.stop_requested() || use_.job_log.is_cancel_requested(job_);
}

}  // namespace mk::replication

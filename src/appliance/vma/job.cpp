#include "appliance/vma/job.hpp"

#include <csignal>
#include <utility>

#include <fmt/core.h>

#include "base/json_fields.hpp"

namespace mk::vma {

namespace {

/// Nothing is changed at the source before it ends.
constexpr const char* first_stage = "Connecting";
/// What must be handled is known, disk by disk, only when it is over.
constexpr const char* measuring = "Measuring";
/// The stage in which bytes move; in any other one it is no stall when none do.
constexpr const char* copying = "Copying";

Error died(const EngineExit& exit, const std::string& aftermath) {
    const std::string how = exit.signal != 0 ? fmt::format("was ended by signal {}", exit.signal)
                                             : fmt::format("ended with status {} without a result", exit.code);
    const std::string words = exit.last_output.empty() ? "" : ": " + exit.last_output;
    return Error(ErrorCode::internal, "the copy program " + how + words,
                 {.consequence = "The copy did not finish; the last recovery point is unchanged." +
                                 (aftermath.empty() ? "" : " " + aftermath),
                  .remedy = "Repeat the sync; the job's log on the VMA says more.",
                  .retry_safe = true});
}

Error stopped_at_start() {
    return Error(ErrorCode::cancelled, "the job was stopped before it began",
                 {.consequence = "Nothing was copied; the last recovery point is unchanged.", .retry_safe = true});
}

Bytes digested_bytes(const contracts::PassDiskResult& disk) {
    Bytes sum = 0;
    for (const contracts::DigestedRange& digest : disk.digests) {
        sum += digest.range.length;
    }
    return sum;
}

/// A part of what the copy program said did not arrive: what was not digested could not be verified.
Error incomplete(const contracts::PassDiskResult& disk, Bytes digested) {
    return Error(ErrorCode::internal,
                 fmt::format("the copy program told digests of {} bytes of {} instead of {}", digested,
                             disk.disk_id.value, disk.planned),
                 {.consequence = "What was copied cannot be verified; the last recovery point is unchanged.",
                  .remedy = "Repeat the sync; the job's log on the VMA says more.",
                  .retry_safe = true});
}

}  // namespace

Job::Job(contracts::PassRequest request, const Clock& clock)
    : id_(request.job_id), clock_(clock), request_(std::move(request)) {
    progress_.job_id = id_;
    progress_.state = "running";
    progress_.stage = first_stage;
    progress_.attempt = request_.attempt;
    progress_.heartbeat_ms = to_ms(clock_.now());
    for (const contracts::PassDisk& disk : request_.disks) {
        progress_.disks.push_back({.disk_id = disk.disk_id});
    }
}

Job::Job(contracts::PassProgress finished, const Clock& clock)
    : id_(finished.job_id), clock_(clock), progress_(std::move(finished)) {}

bool Job::is_finished() const {
    const std::lock_guard lock(mutex_);
    return progress_.state != "running";
}

std::string Job::machine_key(const contracts::VcenterAccess& access, const std::string& moref) {
    return access.url + " " + moref;
}

std::string Job::machine_key() const {
    const std::lock_guard lock(mutex_);
    return progress_.state == "running" ? machine_key(request_.vcenter, request_.moref) : "";
}

contracts::PassProgress Job::progress() const {
    const std::lock_guard lock(mutex_);
    contracts::PassProgress now = progress_;
    if (now.state == "running") {
        const Instant instant = clock_.now();
        now.percent = meter_.percent();
        now.bytes_per_second = meter_.bytes_per_second(instant);
        now.eta_seconds = meter_.eta_seconds(instant);
        now.stalled_seconds = now.stage == copying ? meter_.stalled_seconds(instant) : std::nullopt;
    }
    return now;
}

contracts::PassProgress Job::summary() const {
    contracts::PassProgress short_form = progress();
    if (short_form.result) {
        for (contracts::PassDiskResult& disk : short_form.result->disks) {
            disk.digests.clear();
        }
    }
    return short_form;
}

std::string Job::order() const {
    const std::lock_guard lock(mutex_);
    return json::dump(contracts::to_json(request_));
}

contracts::VcenterAccess Job::access() const {
    const std::lock_guard lock(mutex_);
    return request_.vcenter;
}

std::string Job::moref() const {
    const std::lock_guard lock(mutex_);
    return request_.moref;
}

std::string Job::instance_uuid() const {
    const std::lock_guard lock(mutex_);
    return request_.instance_uuid;
}

bool Job::keeps_checkpoint() const {
    const std::lock_guard lock(mutex_);
    return !request_.only_compare;
}

int Job::attempt() const {
    const std::lock_guard lock(mutex_);
    return progress_.attempt;
}

int Job::priority() const {
    const std::lock_guard lock(mutex_);
    return request_.priority;
}

Bytes Job::limit() const {
    const std::lock_guard lock(mutex_);
    return request_.bytes_per_second;
}

void Job::set_limit(Bytes bytes_per_second) {
    const std::lock_guard lock(mutex_);
    if (progress_.state != "running") {
        throw Error(ErrorCode::conflict, "job " + id_.value + " has ended, there is nothing to limit");
    }
    request_.bytes_per_second = bytes_per_second;
}

Bytes Job::wire_bytes() const {
    const std::lock_guard lock(mutex_);
    return progress_.wire_bytes;
}

bool Job::may_have_snapshot() const {
    const std::lock_guard lock(mutex_);
    return may_have_snapshot_;
}

void Job::set_stage(const std::string& stage) {
    const std::lock_guard lock(mutex_);
    progress_.stage = stage;
    progress_.heartbeat_ms = to_ms(clock_.now());
}

void Job::take_event(const std::string& line) {
    const contracts::EngineEvent event = contracts::engine_event_from(line);
    const std::lock_guard lock(mutex_);
    progress_.heartbeat_ms = to_ms(clock_.now());
    std::visit([this](const auto& each) { handle(each); }, event);
}

void Job::handle(const contracts::EngineProgress& event) {
    may_have_snapshot_ = may_have_snapshot_ || event.stage != first_stage;
    progress_.stage = event.stage;
    progress_.sync_type = event.sync_type;
    progress_.sent_bytes = event.sent_bytes;
    progress_.zeroed_bytes = event.zeroed_bytes;
    progress_.wire_bytes = event.wire_bytes;
    progress_.bottleneck = event.bottleneck;
    progress_.trouble = event.trouble;
    progress_.disks = event.disks;
    if (event.stage == measuring) {
        return;
    }
    Bytes total = 0;
    Bytes done = 0;
    for (const contracts::PassDiskProgress& disk : event.disks) {
        total += disk.total_bytes;
        done += disk.done_bytes;
    }
    meter_.record(clock_.now(), done, total);
    progress_.total_bytes = meter_.total();
    progress_.done_bytes = meter_.done();
}

void Job::handle(const contracts::EngineSnapshot&) {
    may_have_snapshot_ = true;
}

void Job::handle(const contracts::EngineDigests& event) {
    std::vector<contracts::DigestedRange>& digests = digests_[event.disk_id];
    digests.insert(digests.end(), event.digests.begin(), event.digests.end());
}

void Job::handle(const contracts::EngineDifferences& event) {
    std::vector<Range>& differences = differences_[event.disk_id];
    differences.insert(differences.end(), event.ranges.begin(), event.ranges.end());
}

void Job::handle(const contracts::EngineResult& event) {
    contracts::PassResult result = event.result;
    for (contracts::PassDiskResult& disk : result.disks) {
        disk.digests = std::move(digests_[disk.disk_id]);
        disk.differences = std::move(differences_[disk.disk_id]);
        const Bytes digested = digested_bytes(disk);
        if (!request_.only_compare && digested != disk.planned) {
            error_ = contracts::to_json(incomplete(disk, digested));
            return;
        }
    }
    result_ = std::move(result);
}

void Job::handle(const contracts::EngineError& event) {
    error_ = event.error;
}

bool Job::has_outcome() const {
    const std::lock_guard lock(mutex_);
    return result_ || error_;
}

void Job::finish(const EngineExit& exit, const std::string& state_when_stopped, const std::string& aftermath) {
    const std::lock_guard lock(mutex_);
    if (result_ && exit.code == 0) {
        progress_.result = std::move(result_);
        progress_.percent = 100;
        end("completed");
        return;
    }
    if (error_) {
        const bool is_cancelled = json::value_or<std::string>(*error_, "code", "") == to_string(ErrorCode::cancelled);
        progress_.error = error_;
        end(is_cancelled && !state_when_stopped.empty() ? state_when_stopped : "failed");
        return;
    }
    // An engine that is still being loaded when it is asked to stop ends by the signal itself; it had done nothing.
    if (!state_when_stopped.empty() && exit.signal == SIGTERM && !may_have_snapshot_) {
        progress_.error = contracts::to_json(stopped_at_start());
        end(state_when_stopped);
        return;
    }
    progress_.error = contracts::to_json(died(exit, aftermath));
    end("interrupted");
}

void Job::fail(const std::string& state, const Error& error) {
    const std::lock_guard lock(mutex_);
    progress_.error = contracts::to_json(error);
    end(state);
}

void Job::end(const std::string& state) {
    if (state != "completed") {
        progress_.percent = meter_.percent();
    }
    progress_.state = state;
    progress_.bottleneck.clear();
    progress_.trouble.clear();
    progress_.bytes_per_second = 0;
    progress_.eta_seconds = std::nullopt;
    progress_.heartbeat_ms = to_ms(clock_.now());
    request_ = {};  // with the password
    digests_.clear();
    differences_.clear();
}

}  // namespace mk::vma

#pragma once
// The copy at the VMA from the order to the result, through whatever interrupts it. One object per job; runs on the
// job's thread.
//
//   start --accepted--> follow --completed--> result
//   follow --interrupted, or failed with what may vanish by itself--> pause --> start (attempt + 1)
//   follow --the VMA does not answer--> wait for it, up to Pacing::patience --> follow
//   anywhere --asked to stop--> tell the VMA, wait for the end --> Error{cancelled}
//
// What arrived stays in the write sessions; the VMA's checkpoint knows what that is. Attempts end when too many of them
// brought no progress (Pacing).

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>

#include "control/replication/collaborators.hpp"

namespace mk::replication {

class CopyRun {
  public:
    /// Makes the request of an attempt (1, 2 ...) with sessions and credentials as they are then.
    using Order = std::function<contracts::PassRequest(int attempt)>;

    CopyRun(Collaborators& use, JobId job, VmContextId vm, joblog::StepContext& step, Order order);

    /// The source snapshot is in the ledger before the first attempt and out of it after the last. Throws
    /// Error{cancelled}, or what the VMA said.
    contracts::PassResult run(const std::stop_token& stop);

  private:
    using Clock = std::chrono::steady_clock;

    /// Nothing, or a failure that another attempt may not meet. Throws any other.
    std::optional<Error> attempt(const std::stop_token& stop);
    void forget();
    void start(const std::stop_token& stop);
    contracts::PassProgress follow(const std::stop_token& stop);
    std::optional<contracts::PassProgress> look();
    void tell_to_stop();
    void push_limit();
    void note(const contracts::PassProgress& progress);
    void note_answer();
    void check_patience();
    void wait_for_next_attempt(const Error& failure, const std::stop_token& stop);
    bool is_asked_to_stop(const std::stop_token& stop) const;

    Collaborators& use_;
    JobId job_;
    VmContextId vm_;
    joblog::StepContext& step_;
    Order order_;
    contracts::PassRequest request_;
    std::optional<contracts::PassResult> result_;
    int attempt_ = 1;
    int idle_attempts_ = 0;  ///< ended one after the other without progress
    Bytes most_done_ = 0;    ///< of all attempts
    Clock::time_point last_progress_;
    Clock::time_point last_answer_;
    std::optional<Error> lost_;  ///< why the VMA did not answer, since last_answer_
    bool loss_told_ = false;
    std::optional<Clock::time_point> stopping_since_;
    bool stop_told_ = false;
    std::optional<Bytes> limit_told_;
    std::string last_stage_;
};

}  // namespace mk::replication

#pragma once
// Compares the copy of a machine with its source, by digests at both ends and without moving data: the job type
// "verification".
//
//   source-check -> write-session -> compare -> result
//
// The source is read in a snapshot of its own. What changed since the last recovery point is left out, because the copy
// is right not to have it; so it needs change tracking that reaches back to that point. The write sessions are staged,
// never written to and dropped at the end: the volumes are not touched. Differences are the outcome of the job and not
// its failure: they are listed in the log and in the metadata, the machine shows the verdict, and its next sync
// compares everything and sends what differs. One object per job; runs on the job's thread.

#include <stop_token>
#include <vector>

#include "control/replication/collaborators.hpp"
#include "control/replication/pass_request.hpp"

namespace mk::replication {

/// Of the job's metadata: {"verdict": "identical"|"differs", "percent", "snapshot_ms", "compared", "different",
/// "disks": [{"disk_id", "compared", "different", "ranges": [{"offset", "length"}], "ranges_left_out"}]}.
inline constexpr const char* verification_key = "verification";
/// Longest list of ranges of one disk in the metadata; the rest is counted in ranges_left_out.
inline constexpr std::size_t verification_ranges = 100;

std::vector<joblog::StepPlan> verification_steps();

class Verification {
  public:
    Verification(Collaborators& use, JobId job, VmContextId vm, int percent);
    /// Throws what failed.
    void run(const std::stop_token& stop);

  private:
    void check_source(joblog::StepContext& step, const std::stop_token& stop);
    void open_sessions(joblog::StepContext& step, const std::stop_token& stop);
    void compare(joblog::StepContext& step, const std::stop_token& stop);
    void conclude(joblog::StepContext& step, const std::stop_token& stop);
    void require_comparable(const contracts::PassResult& result) const;

    Collaborators& use_;
    JobId job_;
    VmContextId vm_;
    int percent_;
    machines::Machine machine_;
    std::optional<RecoveryPoint> base_;
    std::vector<PassTarget> targets_;
    std::optional<contracts::PassResult> result_;
};

}  // namespace mk::replication

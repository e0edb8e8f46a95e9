#pragma once
// What a pass that did not reach its commit leaves behind, and getting rid of it: the copy at the VMA, the source
// snapshot, and the write sessions when nobody is to go on with them (kept_sessions.hpp). Runs after a failure, after a
// restart, and again before the next pass for what could not be removed then.

#include <string>
#include <vector>

#include "control/joblog/job_log.hpp"
#include "control/replication/collaborators.hpp"

namespace mk::replication {

/// Name of the one source snapshot of a pass: the engine takes it under this name, the ledger knows it by it.
std::string source_snapshot_name(const JobId& job);

/// Stops the VMA's pass, removes the source snapshot, aborts the open sessions unless the job keeps them. Returns what
/// could not be done, and notes in the job's metadata whether something is left. A pass whose commit record is written
/// is not touched: its sessions hold the rest of a recovery point. Idempotent; bounded by Pacing; does not throw for
/// what its peers answer.
std::vector<std::string> clean_up_pass(Collaborators& use, const JobId& job, const VmContextId& vm);

/// The same for a pass that nobody will go on with, and everything that earlier ones kept: for a failover that is
/// rolled back and needs the volumes.
std::vector<std::string> abandon_pass(Collaborators& use, const JobId& job, const VmContextId& vm);

/// Jobs of the machine of which something could not be cleaned up yet, newest first.
std::vector<joblog::Job> jobs_with_leftovers(const Collaborators& use, const VmContextId& vm);

/// Before a new pass: repeats clean_up_pass for earlier jobs of the machine that left something. Throws
/// Error{unavailable} when something is still left: the new pass could not open its sessions.
void require_no_leftovers(Collaborators& use, const VmContextId& vm, joblog::StepContext& step);

}  // namespace mk::replication

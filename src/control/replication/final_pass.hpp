#pragma once
// The last pass of a live failover, as steps of the failover's own job. The source is off meanwhile, so no samples are
// read. Goes on where an earlier process was cut off: a recovery point that this job has recorded is applied to its
// end; otherwise what is left of the pass is cleaned up, and it runs again from its first step.

#include <stop_token>

#include "control/replication/collaborators.hpp"

namespace mk::replication {

/// Returns the applied recovery point of `job`. Throws what failed; Error{unavailable} when what an interrupted pass
/// left cannot be cleaned up yet.
RecoveryPoint run_final_pass(Collaborators& use, const JobId& job, const VmContextId& vm, const std::stop_token& stop);

/// Ends the pass for good, for a failover that is rolled back, and what earlier passes kept. A recovery point that is
/// recorded but not applied is left to the next sync. What could not be done is said in the job's log and done by the
/// next pass.
void abandon_final_pass(Collaborators& use, const JobId& job, const VmContextId& vm);

}  // namespace mk::replication

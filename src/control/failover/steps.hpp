#pragma once
// The steps of all plans, one function each. Private to plans.cpp and to tests. Each keeps a reference to the context,
// which must outlive it. What a step does and what undoes it: docs/failover.md.

#include <memory>

#include "control/failover/run_context.hpp"
#include "control/failover/step.hpp"

namespace mk::failover::steps {

using StepPtr = std::unique_ptr<Step>;

// steps_source.cpp
StepPtr validation(RunContext& context);
StepPtr source_shutdown(RunContext& context);
StepPtr final_sync(RunContext& context);
StepPtr source_restart(RunContext& context);
// steps_volumes.cpp
StepPtr volume_detachment(RunContext& context);
StepPtr snapshot_creation(RunContext& context);
StepPtr volume_attachment(RunContext& context);
// steps_clones.cpp
StepPtr clone_creation(RunContext& context);
StepPtr volume_return(RunContext& context);
StepPtr clone_deletion(RunContext& context);
// steps_guest.cpp
StepPtr driver_injection(RunContext& context);
// steps_machine.cpp
StepPtr machine_creation(RunContext& context);
StepPtr machine_start(RunContext& context);
// rollback_steps_machine.cpp
StepPtr reach_everybody(RunContext& context);
StepPtr read_remains(RunContext& context);
StepPtr machine_stop(RunContext& context);
StepPtr machine_deletion(RunContext& context);
StepPtr close_failover(RunContext& context);
// rollback_steps_volumes.cpp
StepPtr take_volumes_back(RunContext& context);
StepPtr revert_volumes(RunContext& context);
StepPtr snapshot_deletion(RunContext& context);
StepPtr volume_reattachment(RunContext& context);
// commit_steps.cpp
StepPtr commit_check(RunContext& context);
StepPtr commit_snapshot_deletion(RunContext& context);
StepPtr hand_over(RunContext& context);
/// The last of every plan: its outcome is written by the service, together with the job's end.
StepPtr record(RunContext& context, MachineStatus outcome);

}  // namespace mk::failover::steps

#include "control/failover/plans.hpp"

#include "control/failover/steps.hpp"

namespace mk::failover {

Steps failover_plan(RunContext& context) {
    const auto& request = context.request;
    Steps plan;
    plan.push_back(steps::validation(context));
    if (request.live) {
        plan.push_back(steps::source_shutdown(context));
        plan.push_back(steps::final_sync(context));
    }
    plan.push_back(steps::volume_detachment(context));
    plan.push_back(steps::snapshot_creation(context));
    if (request.on_clones) {
        plan.push_back(steps::clone_creation(context));
        plan.push_back(steps::volume_return(context));
    }
    plan.push_back(steps::driver_injection(context));
    plan.push_back(steps::machine_creation(context));
    plan.push_back(steps::volume_attachment(context));
    plan.push_back(steps::machine_start(context));
    plan.push_back(
        steps::record(context, request.live ? MachineStatus::failed_over_live : MachineStatus::failed_over_test));
    return plan;
}

Steps rollback_plan(RunContext& context) {
    Steps plan;
    plan.push_back(steps::reach_everybody(context));
    plan.push_back(steps::read_remains(context));
    plan.push_back(steps::machine_stop(context));
    if (context.request.live) {
        plan.push_back(steps::source_restart(context));
    }
    plan.push_back(steps::take_volumes_back(context));
    if (context.request.on_clones) {
        plan.push_back(steps::clone_deletion(context));
    }
    plan.push_back(steps::revert_volumes(context));
    plan.push_back(steps::snapshot_deletion(context));
    plan.push_back(steps::volume_reattachment(context));
    plan.push_back(steps::machine_deletion(context));
    plan.push_back(steps::close_failover(context));
    plan.push_back(steps::record(context, MachineStatus::ready_for_failover));
    return plan;
}

Steps commit_plan(RunContext& context) {
    Steps plan;
    plan.push_back(steps::commit_check(context));
    plan.push_back(steps::commit_snapshot_deletion(context));
    plan.push_back(steps::hand_over(context));
    plan.push_back(steps::record(context, MachineStatus::committed));
    return plan;
}

}  // namespace mk::failover

#pragma once
// Which steps a request means, in the order that the platform allows (docs/failover.md sections 3 and 4). The steps
// keep the context, which must outlive them.

#include "control/failover/run_context.hpp"
#include "control/failover/step.hpp"

namespace mk::failover {

/// In place, on clones, or live, as the context's request says.
Steps failover_plan(RunContext& context);
/// The ten steps of the inventory (H1) in their order. On clones also "volume-clone-deletion"; of a live failover also
/// "source-restart", as soon as the machine in the cloud is off: from there on nothing in the rollback needs the source
/// off, and the service is back while the copy is still being reverted.
Steps rollback_plan(RunContext& context);
Steps commit_plan(RunContext& context);

}  // namespace mk::failover

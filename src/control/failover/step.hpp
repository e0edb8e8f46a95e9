#pragma once
// What failovers, rollbacks and commits are made of. A plan is a list of steps, produced from the request and from what
// is recorded (plans.hpp); the runner (plan_runner.hpp) carries it out, after a restart as well as the first time.
//
// A step asks reality what is left to do (probe), does it (run), and names the step of the rollback that takes it back
// (undone_by). Taking back is a plan of its own, not the steps in reverse: the platform dictates its order
// (cloudstack.md section 1). A step knows nothing that a former step has learned: after a restart there was none.

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "control/joblog/job_log.hpp"

namespace mk::failover {

/// One thing that a step would do now.
struct Action {
    std::string text;         ///< for people: "detach volume web-01-disk-2000 from web-01-test-1700000000"
    std::string object_kind;  ///< volume, volume_snapshot, volume_clone, machine, source_machine, record
    std::string object_id;    ///< of the site it lives at; its name where the id is not known
    bool is_removal = false;  ///< something ceases to exist
};

class Step {
  public:
    virtual ~Step() = default;
    virtual joblog::StepPlan plan() const = 0;
    /// What it is in the JobLog: one row, unless it is a pass, which keeps the rows of its own steps itself.
    virtual std::vector<joblog::StepPlan> rows() const { return {plan()}; }
    /// It has nothing to leave undone: it is run each time, and its probe says nothing.
    virtual bool only_looks() const { return false; }
    /// What is left to do, read from reality; nothing: it is done. Has no effect. Also how a plan is shown before it
    /// runs and how its outcome is verified after it.
    virtual std::vector<Action> probe(const std::stop_token& stop) = 0;
    /// Does what is left. May begin in every state in which it, or an earlier process, was cut off.
    virtual void run(joblog::StepContext& step, const std::stop_token& stop) = 0;
    /// What is not as it should be although nothing is left to do: the step then ends as a warning. Asked after it.
    virtual std::string reservation(const std::stop_token& /*stop*/) { return {}; }
    /// The rollback's step that takes it back; empty: there is nothing to take back.
    virtual std::string undone_by() const { return {}; }
};

using Steps = std::vector<std::unique_ptr<Step>>;

}  // namespace mk::failover

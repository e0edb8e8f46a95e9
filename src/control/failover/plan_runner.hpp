#pragma once
// Carries out a plan, and goes on with one that an earlier process was cut off in (docs/failover.md section 1):
//
//   for each step that the JobLog has not as done:  probe -> nothing left: done
//                                                         -> run -> probe -> nothing left: done, else failed
//
// Runs on the job's thread.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "control/failover/step.hpp"

namespace mk::failover {

/// A step of a plan that is only shown.
struct PlannedStep {
    joblog::StepPlan step;
    std::vector<Action> actions;  ///< that it would take now; none: it is done, or only looks
    std::string problem;          ///< why it cannot be told now; else empty
};

/// The rows of the plan in the JobLog, in order.
std::vector<joblog::StepPlan> rows_of(const Steps& steps);
/// What the plan would do now. Has no effect. A peer that does not answer is a problem of its step, not an error;
/// throws Error{cancelled} only.
std::vector<PlannedStep> look_ahead(const Steps& steps, const std::stop_token& stop);

class PlanRunner {
  public:
    /// `before` is called before each step that is not done, with its name; what it throws ends the run.
    PlanRunner(joblog::JobLog& job_log, JobId job, std::function<void(const std::string&)> before);

    /// All steps but record_step, whose outcome is written together with the job's end. Throws what failed; a step
    /// after which something is left is Error{external}.
    void run(const Steps& steps, const std::stop_token& stop);

  private:
    joblog::Step recorded(const std::string& name) const;
    bool is_done(const Step& step) const;
    void attempt(Step& step, joblog::StepContext& context, const std::stop_token& stop);
    void carry_out(Step& step, joblog::StepContext& context, const std::stop_token& stop);

    joblog::JobLog& job_log_;
    JobId job_;
    std::function<void(const std::string&)> before_;
};

}  // namespace mk::failover

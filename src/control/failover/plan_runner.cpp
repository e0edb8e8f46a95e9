#include "control/failover/plan_runner.hpp"

#include "base/error.hpp"
#include "control/failover/failover_plan.hpp"

namespace mk::failover {

namespace {

bool is_over(StepStatus status) {
    return status == StepStatus::completed || status == StepStatus::warning || status == StepStatus::skipped;
}

}  // namespace

std::vector<joblog::StepPlan> rows_of(const Steps& steps) {
    std::vector<joblog::StepPlan> rows;
    for (const auto& step : steps) {
        const auto own = step->rows();
        rows.insert(rows.end(), own.begin(), own.end());
    }
    return rows;
}

std::vector<PlannedStep> look_ahead(const Steps& steps, const std::stop_token& stop) {
    std::vector<PlannedStep> planned;
    for (const auto& step : steps) {
        PlannedStep seen{.step = step->plan(), .actions = {}, .problem = {}};
        try {
            seen.actions = step->probe(stop);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            seen.problem = error.cause();
        }
        planned.push_back(std::move(seen));
    }
    return planned;
}

PlanRunner::PlanRunner(joblog::JobLog& job_log, JobId job, std::function<void(const std::string&)> before)
    : job_log_(job_log), job_(std::move(job)), before_(std::move(before)) {}

void PlanRunner::run(const Steps& steps, const std::stop_token& stop) {
    for (const auto& step : steps) {
        const auto name = step->plan().name;
        if (name == record_step || is_done(*step)) {
            continue;
        }
        before_(name);
        if (step->rows().size() == 1) {
            job_log_.run_step(job_, name, [&](joblog::StepContext& context) { attempt(*step, context, stop); });
        } else if (!step->probe(stop).empty()) {
            joblog::StepContext context(job_log_, job_, recorded(name).order, name);
            carry_out(*step, context, stop);
        }
    }
}

joblog::Step PlanRunner::recorded(const std::string& name) const {
    const auto job = job_log_.find(job_);
    for (const auto& known : job ? job->steps : std::vector<joblog::Step>{}) {
        if (known.name == name) {
            return known;
        }
    }
    throw Error(ErrorCode::internal, "job " + job_.value + " has no step '" + name + "'");
}

/// A pass is asked by its probe alone: something may be left to do after the last of its rows.
bool PlanRunner::is_done(const Step& step) const {
    return step.rows().size() == 1 && is_over(recorded(step.plan().name).status);
}

/// What fails while it is being stopped was stopped: a tool that is killed reports all kinds of things.
void PlanRunner::attempt(Step& step, joblog::StepContext& context, const std::stop_token& stop) {
    try {
        carry_out(step, context, stop);
    } catch (const Error& error) {
        if (!stop.stop_requested() || error.code() == ErrorCode::cancelled) {
            throw;
        }
        throw Error(ErrorCode::cancelled, "stopped: " + error.cause(), error.advice());
    }
}

void PlanRunner::carry_out(Step& step, joblog::StepContext& context, const std::stop_token& stop) {
    const auto left = step.probe(stop);
    if (left.empty() && !step.only_looks()) {
        context.detail("found done");
    } else {
        for (const auto& action : left) {
            context.info("To do: " + action.text);
        }
        step.run(context, stop);
        if (const auto remaining = step.probe(stop); !remaining.empty()) {
            throw Error(ErrorCode::external,
                        "every command was answered, but this is still to be done: " + remaining.front().text,
                        {.consequence = "Nothing is counted as done that was not seen.", .retry_safe = true});
        }
    }
    if (const auto reservation = step.reservation(stop); !reservation.empty()) {
        context.finish_with_warning(reservation);
    }
}

}  // namespace mk::failover

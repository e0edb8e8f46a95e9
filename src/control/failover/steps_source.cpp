// What is done at the source, and before anything is done: the validation, the shutdown and the last sync of a live
// failover, and the source's restart when it is taken back.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/retry.hpp"
#include "control/failover/preflight.hpp"
#include "control/failover/steps.hpp"

namespace mk::failover::steps {

namespace {

class Validation : public Step {
  public:
    explicit Validation(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {validation_step, "Check that it can fail over", 1}; }
    bool only_looks() const override { return true; }
    std::vector<Action> probe(const std::stop_token&) override { return {}; }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto machine = context_.machine();
        if (context_.request.accept_unverified) {
            const auto job = context_.use.job_log.find(context_.job);
            step.warn("Asked for with a recovery point that is torn or known to differ accepted, by " +
                      (job ? job->owner : std::string("nobody who is known")));
        }
        const auto result = preflight(context_.use, machine, context_.request, stop);
        for (const auto& finding : result.findings) {
            finding.severity == Severity::note ? step.info(finding.text) : step.warn(finding.text);
        }
        require_passed(result, machine.source.name);
        context_.use.failovers.set_nics(context_.failover, result.nics);
        if (const auto point = context_.point()) {
            context_.use.failovers.set_recovery_point(context_.failover, point->id);
        }
    }

  private:
    RunContext& context_;
};

class SourceShutdown : public Step {
  public:
    explicit SourceShutdown(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {shutdown_step, "Shut the source down", 3}; }
    std::string undone_by() const override { return "source-restart"; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        if (context_.source_power("state", stop).power_state == "poweredOff") {
            return {};
        }
        const auto machine = context_.machine();
        return {{"shut " + machine.source.name + " down at the source", "source_machine", machine.source.moref}};
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto state = context_.source_power("state", stop);
        // Before the deed: a rollback after a crash must know that the source was on.
        context_.remember(source_was_running_key, true);
        if (state.tools_running) {
            ask_the_guest(step, stop);
        }
        if (!is_source_off(stop)) {
            switch_off(step, stop);
        }
        step.detail("the source is off");
    }

  private:
    bool is_source_off(const std::stop_token& stop) const {
        return context_.source_power("state", stop).power_state == "poweredOff";
    }

    void ask_the_guest(joblog::StepContext& step, const std::stop_token& stop) const {
        step.detail("asking the guest to shut down");
        context_.source_power("shutdown", stop);
        try {
            wait_until([&] { return is_source_off(stop); }, context_.use.pacing.power_poll,
                       context_.request.shutdown_limit, stop, "the guest did not shut down in time");
        } catch (const Error& error) {
            if (error.code() != ErrorCode::timeout || !context_.request.force_power_off) {
                throw error.advised(still_running());
            }
        }
    }

    void switch_off(joblog::StepContext& step, const std::stop_token& stop) const {
        if (!context_.request.force_power_off) {
            throw Error(ErrorCode::conflict, "the guest cannot be shut down cleanly: VMware Tools do not run",
                        still_running());
        }
        step.warn("powering the source off");
        context_.source_power("power_off", stop);
        wait_until([&] { return is_source_off(stop); }, context_.use.pacing.power_poll,
                   context_.use.pacing.power_off_limit, stop, "the source did not power off");
    }

    static Advice still_running() {
        return {.consequence = "The source still runs; the copy is unchanged.",
                .remedy = "Shut it down yourself, or allow a hard power-off with --force-power-off.",
                .retry_safe = true};
    }

    RunContext& context_;
};

/// A pass as steps of this job. The port goes on with what an earlier process left of it.
class FinalSyncStep : public Step {
  public:
    explicit FinalSyncStep(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"commit", "Commit the recovery point", 1}; }
    std::vector<joblog::StepPlan> rows() const override {
        return {{"source-check", "Check the source machine", 1}, {"volume-preparation", "Prepare the volumes", 1},
                {"write-session", "Open the write sessions", 1}, {"copy", "Send the last changes", 6},
                {"verification", "Verify what arrived", 1},      plan()};
    }

    std::vector<Action> probe(const std::stop_token&) override {
        const auto point = context_.use.recovery_points.of_job(context_.job);
        if (point && point->applied && context_.row().recovery_point_id == point->id) {
            return {};
        }
        return {{"send the last changes of the source", "record", context_.vm.value}};
    }

    void run(joblog::StepContext&, const std::stop_token& stop) override {
        const auto point = context_.use.final_sync.run(context_.job, context_.vm, stop);
        if (context_.source_power("state", stop).power_state != "poweredOff") {
            // vsphere.md section 4: a machine that was powered on again before the last pass ended aborts the failover.
            throw Error(ErrorCode::conflict, "the source was powered on again during the final sync",
                        {.consequence = "The failover was not carried out.",
                         .remedy = "Clean up and start the live failover again."});
        }
        context_.use.failovers.set_recovery_point(context_.failover, point.id);
    }

  private:
    RunContext& context_;
};

class SourceRestart : public Step {
  public:
    explicit SourceRestart(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"source-restart", "Start the source again", 1}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        // A source that was off before the failover, or was not reached by it, stays as it is.
        if (context_.recall(source_was_running_key) != true ||
            context_.source_power("state", stop).power_state == "poweredOn") {
            return {};
        }
        const auto machine = context_.machine();
        return {{"start " + machine.source.name + " at the source", "source_machine", machine.source.moref}};
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        context_.source_power("power_on", stop);
        step.detail("the source is on again");
    }

  private:
    RunContext& context_;
};

}  // namespace

StepPtr validation(RunContext& context) {
    return std::make_unique<Validation>(context);
}
StepPtr source_shutdown(RunContext& context) {
    return std::make_unique<SourceShutdown>(context);
}
StepPtr final_sync(RunContext& context) {
    return std::make_unique<FinalSyncStep>(context);
}
StepPtr source_restart(RunContext& context) {
    return std::make_unique<SourceRestart>(context);
}

}  // namespace mk::failover::steps

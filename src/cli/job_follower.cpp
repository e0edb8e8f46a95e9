#include "cli/job_follower.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "base/retry.hpp"
#include "cli/progress_text.hpp"
#include "cli/sync_view.hpp"
#include "contracts/vma_api.hpp"

namespace mk::cli {

namespace {

using std::chrono::milliseconds;

// gui.md section 10 allows four updates a second; twice is enough for a copy and halves the load on the OMA.
constexpr milliseconds look_interval{500};
constexpr std::chrono::seconds patience{60};

/// One look at every job that has not ended yet.
class Lookout {
  public:
    Lookout(const FollowerPorts& ports, ProgressDisplay& display) : ports_(ports), display_(display) {}

    void look(const std::vector<std::string>& ids, std::vector<Json>& jobs) {
        try {
            for (std::size_t i = 0; i < ids.size(); ++i) {
                if (jobs[i].is_null() || !is_final(jobs[i])) {
                    jobs[i] = ports_.fetch(ids[i]);
                }
            }
            silent_since_.reset();
        } catch (const Error& error) {
            bear(error);
        }
    }

  private:
    void bear(const Error& error) {
        if (!error.retryable()) {
            throw error;
        }
        const auto now = ports_.clock.now();
        if (!silent_since_) {
            silent_since_ = now;
            display_.note("The OMA does not answer, trying again: " + error.cause());
        } else if (now - *silent_since_ >= patience) {
            throw error.advised({.consequence = "The job goes on by itself.", .remedy = {}, .retry_safe = true});
        }
    }

    const FollowerPorts& ports_;
    ProgressDisplay& display_;
    std::optional<Instant> silent_since_;
};

bool all_ended(const std::vector<Json>& jobs) {
    return std::all_of(jobs.begin(), jobs.end(), [](const Json& job) { return !job.is_null() && is_final(job); });
}

std::vector<Json> seen(const std::vector<Json>& jobs) {
    std::vector<Json> kept;
    std::copy_if(jobs.begin(), jobs.end(), std::back_inserter(kept), [](const Json& job) { return !job.is_null(); });
    return kept;
}

ExitCode exit_code_of(const Followed& followed) {
    if (followed.end == Followed::End::interrupted) {
        return ExitCode::interrupted;
    }
    if (followed.end == Followed::End::timed_out) {
        return ExitCode::wait_timeout;
    }
    auto code = ExitCode::done;
    for (const auto& job : followed.jobs) {
        const auto own = exit_code_of_job(json::value_or<std::string>(job, "status", ""));
        const bool has_verdict = own == ExitCode::done || own == ExitCode::job_warning;
        const bool differs = has_verdict && found_differences(job).value_or(false);
        code = worse(code, differs ? ExitCode::differs : own);
    }
    return code;
}

std::string status_word(ExitCode code) {
    switch (code) {
        case ExitCode::done:
            return "completed";
        case ExitCode::job_warning:
            return "warning";
        case ExitCode::differs:
            return "differs";
        case ExitCode::wait_timeout:
            return "timeout";
        case ExitCode::interrupted:
            return "detached";
        default:
            return "failed";
    }
}

std::string follow_command(const std::vector<std::string>& jobs) {
    std::string command = "migratekit job wait";
    for (const auto& job : jobs) {
        command += " " + job;
    }
    return command;
}

void tell_outcome(Session& session, const Json& job) {
    session.say(outcome_line(job));
    if (const auto differences = difference_table(job); !differences.rows.empty()) {
        session.show(job, differences);
    }
    if (const auto error = json::find<Json>(job, "error")) {
        session.write_message(render_error(contracts::error_from(*error), false, session.terminal().has_color));
    }
}

std::vector<std::string> unfinished(const std::vector<std::string>& ids, const std::vector<Json>& jobs) {
    std::vector<std::string> open;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (jobs[i].is_null() || !is_final(jobs[i])) {
            open.push_back(ids[i]);
        }
    }
    return open;
}

void report(Session& session, const std::vector<std::string>& ids, const Followed& followed, ExitCode code) {
    const auto open = unfinished(ids, followed.jobs);
    if (session.is_json()) {
        Json result = {{"type", "result"},
                       {"status", status_word(code)},
                       {"exit_code", static_cast<int>(code)},
                       {"jobs", seen(followed.jobs)}};
        result["follow"] = open.empty() ? Json(nullptr) : Json(follow_command(open));
        session.show_line(result);
        return;
    }
    for (const auto& job : seen(followed.jobs)) {
        if (is_final(job)) {
            tell_outcome(session, job);
        }
    }
    if (!open.empty()) {
        session.say(followed.end == Followed::End::timed_out ? "The time to wait is over; the job goes on."
                                                             : "Detached; the job goes on.");
        session.say("Follow it with: " + follow_command(open));
    }
}

}  // namespace

Followed follow_jobs(const FollowerPorts& ports, ProgressDisplay& display, const std::vector<std::string>& jobs,
                     std::optional<std::chrono::seconds> limit) {
    const auto start = ports.clock.now();
    Followed followed{.jobs = std::vector<Json>(jobs.size())};
    Lookout lookout(ports, display);
    for (;;) {
        try {
            lookout.look(jobs, followed.jobs);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::cancelled) {
                throw;
            }
            followed.end = Followed::End::interrupted;
            return followed;
        }
        display.update(seen(followed.jobs));
        if (all_ended(followed.jobs)) {
            return followed;
        }
        if (limit && ports.clock.now() - start >= *limit) {
            followed.end = Followed::End::timed_out;
            return followed;
        }
        if (!ports.pause(look_interval)) {
            followed.end = Followed::End::interrupted;
            return followed;
        }
    }
}

ExitCode wait_for_jobs(Session& session, const std::vector<std::string>& jobs,
                       std::optional<std::chrono::seconds> limit) {
    const FollowerPorts ports{.fetch = [&](const std::string& job) { return session.api().get("/api/v1/jobs/" + job); },
                              .pause = [&](milliseconds duration) { return pause(duration, session.stop()); },
                              .clock = session.clock()};
    const auto display = make_progress_display(session);
    Followed followed;
    try {
        followed = follow_jobs(ports, *display, jobs, limit);
    } catch (const Error& error) {
        display->finish();
        throw error.advised(
            {.consequence = {}, .remedy = "Follow it with: " + follow_command(jobs), .retry_safe = true});
    }
    display->finish();
    const auto code = exit_code_of(followed);
    report(session, jobs, followed, code);
    return code;
}

ExitCode started(Session& session, const Input& input, const std::vector<Json>& answers) {
    std::vector<std::string> jobs;
    for (const auto& answer : answers) {
        jobs.push_back(json::require<std::string>(answer, "job_id"));
    }
    if (jobs.empty()) {
        return ExitCode::done;
    }
    if (input.has("--wait") || input.has("--timeout")) {
        return wait_for_jobs(session, jobs, input.duration("--timeout"));
    }
    Table table{.columns = {{"JOB"}, {"CONTEXT ID"}}, .rows = {}, .empty_text = {}};
    for (const auto& answer : answers) {
        table.rows.push_back(
            {json::require<std::string>(answer, "job_id"), json::value_or<std::string>(answer, "context_id", "")});
    }
    if (session.is_json()) {
        for (const auto& answer : answers) {
            session.show_line(answer);
        }
    } else {
        session.show(Json(answers), table);
    }
    session.say("Follow it with: " + follow_command(jobs));
    return ExitCode::done;
}

}  // namespace mk::cli

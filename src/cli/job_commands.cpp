// job list, show, logs, wait, cancel.

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "base/retry.hpp"
#include "cli/commands.hpp"
#include "cli/job_follower.hpp"
#include "cli/job_lookup.hpp"
#include "cli/job_view.hpp"
#include "cli/progress_text.hpp"

namespace mk::cli {

namespace {

using json::value_or;

constexpr std::chrono::seconds log_interval{1};

ExitCode list(Session& session, const Input& input) {
    std::string query = input.has("--open") ? "?open=true" : "";
    if (input.has("--vm")) {
        query += (query.empty() ? "?vm=" : "&vm=") + http::url_encode(input.text("--vm"));
    }
    const auto answer = session.api().get("/api/v1/jobs" + query);
    auto table = job_table();
    for (const auto& job : value_or<Json>(answer, "jobs", Json::array())) {
        table.rows.push_back(job_row(job, session.now()));
    }
    session.show(answer, table);
    return ExitCode::done;
}

/// Reads and shows events after a cursor, and moves it.
class LogReader {
  public:
    LogReader(Session& session, std::string job, const Input& input)
        : session_(session),
          job_(std::move(job)),
          lowest_(input.has("--level") ? level_rank(input.text("--level")) : 0) {
        if (input.has("--step")) {
            step_ = input.text("--step");
        }
    }

    /// Everything that is new, page by page.
    std::vector<Json> read() {
        std::vector<Json> wanted;
        for (;;) {
            const auto query = after_.empty() ? "" : "?after=" + http::url_encode(after_);
            const auto answer = session_.api().get("/api/v1/jobs/" + job_ + "/logs" + query);
            const auto events = value_or<Json>(answer, "events", Json::array());
            for (const auto& event : events) {
                after_ = json::require<std::string>(event, "id");
                if (is_wanted(event)) {
                    wanted.push_back(event);
                }
            }
            if (events.empty()) {
                return wanted;
            }
        }
    }

    void show(const std::vector<Json>& events) {
        for (const auto& event : events) {
            session_.write((session_.is_json() ? json::dump(event) : event_line(event)) + "\n");
        }
    }

  private:
    bool is_wanted(const Json& event) const {
        const auto step = json::find<int>(event, "step");
        return level_rank(value_or<std::string>(event, "level", "INFO")) >= lowest_ &&
               (step_.empty() || (step && std::to_string(*step) == step_));
    }

    Session& session_;
    std::string job_;
    int lowest_;
    std::string step_;
    std::string after_;
};

ExitCode logs(Session& session, const Input& input) {
    const auto job = job_id_of(session, input.text("JOB"));
    LogReader reader(session, job, input);
    if (!input.has("--follow")) {
        const auto events = reader.read();
        if (session.is_json()) {
            session.show_document({{"job_id", job}, {"events", events}});
        } else {
            reader.show(events);
        }
        return ExitCode::done;
    }
    for (;;) {
        // The end is looked for first: what is logged up to then is read after it.
        const bool ended = is_final(session.api().get("/api/v1/jobs/" + job));
        reader.show(reader.read());
        if (ended) {
            return ExitCode::done;
        }
        if (!pause(log_interval, session.stop())) {
            return ExitCode::interrupted;
        }
    }
}

ExitCode wait(Session& session, const Input& input) {
    std::vector<std::string> jobs;
    for (const auto& words : input.list("JOB")) {
        jobs.push_back(job_id_of(session, words));
    }
    return wait_for_jobs(session, jobs, input.duration("--timeout"));
}

ExitCode cancel(Session& session, const Input& input) {
    const auto job = job_id_of(session, input.text("JOB"));
    const auto answer = session.api().post("/api/v1/jobs/" + job + "/cancel", Json::object());
    session.say("Asked it to stop; what it made is cleaned up first.");
    return started(session, input, {answer});
}

}  // namespace

ExitCode show_job(Session& session, const Input& input) {
    const auto job = session.api().get("/api/v1/jobs/" + job_id_of(session, input.text("JOB")));
    if (session.is_json()) {
        session.show_document(job);
    } else {
        session.write(job_text(job, session.now()));
    }
    return ExitCode::done;
}

std::vector<Command> job_commands() {
    const Argument job{"JOB", "id or unique prefix of a recent one"};
    return {{.words = "job list",
             .summary = "What runs and what ran, newest first.",
             .example = "migratekit job list --open",
             .options = {{"--open", "", "only what has not ended"}, {"--vm", "VM", "only jobs of this machine"}},
             .run = list},
            {.words = "job show",
             .summary = "One job with its steps.",
             .example = "migratekit job show 0190a2b4",
             .arguments = {job},
             .run = show_job},
            {.words = "job logs",
             .summary = "What a job wrote; times are UTC.",
             .example = "migratekit job logs 0190a2b4 -f --level warn",
             .arguments = {job},
             .options = {{"-f,--follow", "", "go on until the job ends"},
                         {"--level", "LEVEL", "this level and worse: debug, info, warn, error"},
                         {"--step", "NUMBER", "only this step"}},
             .run = logs},
            {.words = "job wait",
             .summary = "Follows jobs to their end; the exit code tells how they ended.",
             .example = "migratekit job wait 0190a2b4 --timeout 2h",
             .arguments = {{"JOB", "id or unique prefix of a recent one", true}},
             .options = {{"--timeout", "TIME", "stop waiting after this time; the job goes on"}},
             .run = wait},
            {.words = "job cancel",
             .summary = "Asks a job to stop and to clean up.",
             .example = "migratekit job cancel 0190a2b4 --wait",
             .arguments = {job},
             .options = with_wait({}),
             .run = cancel}};
}

}  // namespace mk::cli

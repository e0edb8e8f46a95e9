#pragma once
// Waits for jobs. The jobs belong to the OMA: whatever happens here, they go on.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "cli/command.hpp"
#include "cli/progress_display.hpp"
#include "cli/session.hpp"

namespace mk::cli {

struct Followed {
    enum class End { all_ended, timed_out, interrupted };
    End end = End::all_ended;
    std::vector<Json> jobs;  ///< as last seen; null when never seen
};

/// What the follower needs from the world; tests bring their own.
struct FollowerPorts {
    std::function<Json(const std::string& job)> fetch;
    /// False when interrupted.
    std::function<bool(std::chrono::milliseconds)> pause;
    const Clock& clock;
};

/// Looks at the jobs until all have ended, the limit is over or pause() says so. An OMA that does not answer is asked
/// again for 60 s, then its Error is thrown.
Followed follow_jobs(const FollowerPorts& ports, ProgressDisplay& display, const std::vector<std::string>& jobs,
                     std::optional<std::chrono::seconds> limit);

/// Follows the jobs for a command: shows progress and outcome, and how to follow them again when it stops waiting.
/// With -o json the last line is {"type":"result","status","exit_code","jobs":[...]}.
ExitCode wait_for_jobs(Session& session, const std::vector<std::string>& jobs,
                       std::optional<std::chrono::seconds> limit);
/// What a command does with the jobs it started: waits with --wait or --timeout, otherwise says how to follow them.
ExitCode started(Session& session, const Input& input, const std::vector<Json>& answers);

}  // namespace mk::cli

#pragma once
// One job of the API as lines of text: bars with the bytes that must move, or steps (gui.md sections 5 and 10). Pure
// functions.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"

namespace mk::cli {

bool is_final(const Json& job);
/// The machine's name, or the job's id when there is none.
std::string subject_of(const Json& job);
/// The step that runs; null when none does.
const Json* running_step(const Json& job);

/// "app-01     [##############------]  73%  26.8/36.7 GiB  431 MiB/s  4 min left", then one line per disk when there
/// are several. Nothing while the copy step does not run or its total is unknown.
std::vector<std::string> copy_lines(const Json& job);
/// The percent of the running copy, for lines "every 10 %"; nothing when copy_lines() has nothing.
std::optional<int> copy_percent(const Json& job);
/// "[5/9] Add VirtIO drivers            2 min 34 s"; what a running step does instead of the time, how it ended unless
/// well.
std::string step_line(const Json& job, const Json& step, Instant now);
/// "app-01: completed in 4 min 12 s, 1.2 GiB sent", "... failed after ...".
std::string outcome_line(const Json& job);

}  // namespace mk::cli

#pragma once
// What the process answers to its caller (gui.md section 10). Unknown codes mean failure to scripts, so new ones may be
// added.

#include <string_view>

#include "base/error.hpp"

namespace mk::cli {

enum class ExitCode : int {
    done = 0,
    failed = 1,
    usage = 2,
    not_found = 3,    // or ambiguous
    not_allowed = 4,  // not signed in, wrong certificate, or the role is too low
    refused = 5,      // by state or checks
    job_failed = 6,   // or was cancelled
    job_warning = 7,
    wait_timeout = 8,
    unreachable = 9,  // the OMA does not answer
    differs = 10,     // a comparison was done and found differences
    interrupted = 130,
};

/// Native word of errors that say "the OMA itself did not answer", as opposed to what the OMA says about others.
inline constexpr std::string_view unreachable_mark = "oma-unreachable";

ExitCode exit_code_of(const Error& error);
/// Of a job that has ended: "completed", "warning", anything else.
ExitCode exit_code_of_job(std::string_view status);
/// The worse news of two; of two failures the first.
ExitCode worse(ExitCode a, ExitCode b);

}  // namespace mk::cli

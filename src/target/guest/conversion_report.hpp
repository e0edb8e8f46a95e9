#pragma once
// What virt-v2v's machine-readable messages mean. Pure functions.

#include <string>
#include <vector>

#include "base/error.hpp"

namespace mk::guest {

struct Outcome {
    bool drivers_present = false;
    bool needs_uefi = false;
    std::string text;  ///< one sentence for the operator
    std::vector<std::string> warnings;
};

/// `report` is the content of --machine-readable=file: one JSON object per line; lines that are none are ignored.
Outcome outcome_of(const std::string& report);

/// The Error for a run that ended with `exit_code` != 0: the message of the report (or the end of `output`) and its
/// remedy.
Error failure_of(int exit_code, const std::string& report, const std::string& output);

}  // namespace mk::guest

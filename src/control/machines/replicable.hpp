#pragma once
// The one place that says no to machines that cannot be replicated.

#include "model/source_machine.hpp"

namespace mk::machines {

/// Throws Error{conflict, native = the finding's code} with the first blocker's text and remedy.
void require_replicable(const SourceMachine& machine);

}  // namespace mk::machines

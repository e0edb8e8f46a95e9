#pragma once
// Getting rid of the snapshot when a pass ends, well or not.

#include <stop_token>

#include "base/error.hpp"
#include "engine/ports.hpp"

namespace mk::engine {

/// After a failure: removes the snapshot although the pass was stopped, for at most five minutes (the next pass removes
/// what is left). Returns the error to throw: `cause`, which also says it when the snapshot remained.
Error released_after(FrozenMachine& machine, const Error& cause);
/// After success: waits as long as it takes, once more after a failure. Throws when the snapshot remained.
void release_after_success(FrozenMachine& machine, const std::stop_token& stop);

}  // namespace mk::engine

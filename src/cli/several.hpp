#pragma once
// The same call for several machines: what is refused is told and does not stop the others.

#include <functional>
#include <string>
#include <vector>

#include "cli/exit_code.hpp"
#include "cli/session.hpp"

namespace mk::cli {

/// Calls `work` for each. With one item its Error goes through. With several, errors are shown on stderr and the first
/// one's code is returned; an interruption or an OMA that does not answer ends everything.
ExitCode for_each_item(Session& session, const std::vector<std::string>& items,
                       const std::function<void(const std::string&)>& work);

}  // namespace mk::cli

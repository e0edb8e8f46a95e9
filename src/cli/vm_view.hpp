#pragma once
// Managed machines as rows and facts. Pure functions.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "cli/table.hpp"

namespace mk::cli {

Table vm_table();
std::vector<std::string> vm_row(const Json& machine, Instant now);
Table vm_facts(const Json& machine, Instant now);
/// "Ready", "Syncing changes 73%".
std::string status_of(const Json& machine);

}  // namespace mk::cli

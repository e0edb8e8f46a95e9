#pragma once
// Finding what the operator means among known names.

#include <string>
#include <vector>

namespace mk::cli {

/// The candidate that equals `words`, else the only one that begins with it. Throws Error{not_found}: "there is no
/// <kind> ..." or naming the candidates when several match (the same exit code, gui.md section 10).
std::string resolve_name(const std::string& kind, const std::string& words, const std::vector<std::string>& candidates,
                         const std::string& list_command);
/// Splits "a,b" items and drops empty ones.
std::vector<std::string> split_list(const std::vector<std::string>& items);

}  // namespace mk::cli

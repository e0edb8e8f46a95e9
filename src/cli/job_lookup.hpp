#pragma once
// Which job a word means.

#include <string>

#include "cli/session.hpp"

namespace mk::cli {

/// A whole id as it is; otherwise the only recent job whose id begins so. Throws Error{not_found}.
std::string job_id_of(Session& session, const std::string& words);

}  // namespace mk::cli

#pragma once
// What the commands "failover check", "test" and "live" ask for: their options, and the request made from them.

#include <string>
#include <vector>

#include "base/json.hpp"
#include "cli/command.hpp"

namespace mk::cli {

/// Of tests.
std::vector<Option> test_options();
/// Of live failovers.
std::vector<Option> live_options();
/// Both, for the check.
std::vector<Option> check_options();

/// `machine`: as it was typed, or its id. Throws Error{invalid} naming the option for what cannot be meant.
Json test_request(const Input& input, const std::string& machine);
Json live_request(const Input& input, const std::string& machine);
/// By --live.
Json check_request(const Input& input, const std::string& machine);

}  // namespace mk::cli

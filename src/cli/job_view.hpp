#pragma once
// Jobs as rows and facts. Pure functions.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "cli/table.hpp"

namespace mk::cli {

Table job_table();
std::vector<std::string> job_row(const Json& job, Instant now);
/// Head and steps as text for people.
std::string job_text(const Json& job, Instant now);
/// One line per step; the point of no return is marked before its step.
std::string steps_of(const Json& job, Instant now);
/// "12:03:28 WARN  CloudStack answered 530, trying again"; UTC.
std::string event_line(const Json& event);
/// DEBUG 0, INFO 1, WARN 2, ERROR 3, in any case. Throws Error{invalid} for another word.
int level_rank(std::string word);

}  // namespace mk::cli

#pragma once
// Checks, forecasts, plans and reports of failovers as text. Pure functions of what the API says.

#include <string>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "cli/table.hpp"

namespace mk::cli {

Table checks_table(const Json& answer);
/// "The service will be away for about 4 min, at most 21 min." and a line for each part; empty without a forecast.
std::string forecast_text(const Json& answer, bool live);
/// What a cleanup would do, one line per action, under its step.
std::string plan_text(const Json& plan);
/// Everything about one failover.
std::string report_text(const Json& report, Instant now);

}  // namespace mk::cli

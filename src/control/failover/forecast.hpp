#pragma once
// How long a failover will take: of a live one the time without service, of a test the time until its machine runs.
// From the last passes, the rate of change since, and the durations of earlier failovers' steps; where nothing is known
// yet, from defaults that are named. A pure computation on facts, and the reading of these facts.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/failover/collaborators.hpp"
#include "control/failover/failover_plan.hpp"

namespace mk::failover {

/// One part of the time: the shutdown, the last changes, a step.
struct ForecastPart {
    std::string title;
    std::chrono::seconds likely{};
    std::chrono::seconds at_most{};
    std::string reason;  ///< where the figures come from, for people
};

struct Forecast {
    bool live = false;
    std::chrono::seconds likely{};
    std::chrono::seconds at_most{};
    std::vector<ForecastPart> parts;  ///< in the order of events; their sums are the totals
};

/// A sync that ended in a recovery point.
struct PastPass {
    Instant snapshot{};
    bool incremental = false;
    Bytes changed = 0;                 ///< that had to be handled
    std::chrono::milliseconds copy{};  ///< zero: not known
    std::chrono::milliseconds rest{};  ///< of the sync's other steps
};

/// Durations of one step, newest first.
struct StepHistory {
    std::vector<std::chrono::milliseconds> own;     ///< of this machine
    std::vector<std::chrono::milliseconds> others;  ///< of all others
};

struct ForecastFacts {
    bool live = false;
    bool on_clones = false;
    bool force_power_off = false;
    std::chrono::seconds shutdown_limit{};
    std::chrono::seconds boot_limit{};
    Instant now{};
    Bytes used = 0;                            ///< data of the machine
    std::vector<PastPass> passes;              ///< newest first
    std::map<std::string, StepHistory> steps;  ///< by the step's name
};

/// What the next pass will probably have to handle.
struct ExpectedChanges {
    Bytes likely = 0;
    Bytes at_most = 0;
    std::string reason;
};

ExpectedChanges expected_changes(const ForecastFacts& facts);
Forecast forecast(const ForecastFacts& facts);

/// Reads the database only.
ForecastFacts forecast_facts(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request);
Forecast forecast(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request);

}  // namespace mk::failover

#include "control/failover/forecast.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mk::failover {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::chrono_literals;

/// Passes that moved less say nothing about the rate: they are all overhead.
constexpr Bytes telling = 16 * MiB;
/// Where no pass has been measured.
constexpr Bytes usual_rate = 50 * MiB;
constexpr Bytes slow_rate = 10 * MiB;
/// CloudStack copies the data of a snapshot (cloudstack.md section 8).
constexpr Bytes usual_snapshot_rate = 200 * MiB;
constexpr Bytes slow_snapshot_rate = 20 * MiB;
/// Something that was measured may well take half as long again.
constexpr int reserve_percent = 150;

struct Span {
    milliseconds likely{};
    milliseconds at_most{};
    std::string reason;
};

struct UsualStep {
    const char* name;
    const char* title;
    seconds likely;
    seconds at_most;
};
/// What takes time between the last word of the source and the first of the copy.
constexpr UsualStep usual_steps[] = {{"volume-detachment", "Detach the volumes", 10s, 60s},
                                     {"multi-volume-snapshot-creation", "Snapshot every volume", 10s, 60s},
                                     {"volume-clone-creation", "Make volumes from the snapshots", 10s, 60s},
                                     {"volume-return", "Attach the volumes to the appliance again", 15s, 90s},
                                     {"virtio-injection", "Add VirtIO drivers", 150s, 600s},
                                     {"destination-vm-creation", "Create the machine", 10s, 60s},
                                     {"volume-attachment", "Attach the volumes", 15s, 90s}};

template <class T>
T median(std::vector<T> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

milliseconds duration_for(Bytes bytes, Bytes rate) {
    return milliseconds{static_cast<std::int64_t>(static_cast<double>(bytes) * 1000.0 / static_cast<double>(rate))};
}

seconds rounded_up(milliseconds duration) {
    return std::chrono::ceil<seconds>(duration);
}

Span measured(const std::vector<milliseconds>& samples, const std::string& where) {
    const auto likely = median(samples);
    const auto longest = *std::max_element(samples.begin(), samples.end());
    return {likely, std::max(longest, likely * reserve_percent / 100),
            "as in " + std::to_string(samples.size()) + " earlier failover" + (samples.size() == 1 ? "" : "s") + where};
}

/// Nothing when no such step was ever done.
std::optional<Span> remembered(const ForecastFacts& facts, const std::string& name) {
    const auto found = facts.steps.find(name);
    if (found == facts.steps.end()) {
        return std::nullopt;
    }
    const auto& [own, others] = found->second;
    if (!own.empty()) {
        return measured(own, " of this machine");
    }
    return others.empty() ? std::nullopt : std::optional(measured(others, " of other machines"));
}

std::string assumed() {
    return "a usual value: nothing has been measured here yet";
}

void add(Forecast& forecast, const std::string& title, const Span& span) {
    const auto likely = rounded_up(span.likely);
    const auto at_most = std::max(likely, rounded_up(span.at_most));
    forecast.parts.push_back({title, likely, at_most, span.reason});
    forecast.likely += likely;
    forecast.at_most += at_most;
}

Span shutdown_of(const ForecastFacts& facts) {
    // The limit is what the operator allows; a hard power-off comes on top of it.
    const milliseconds limit = facts.shutdown_limit + (facts.force_power_off ? seconds{2min} : 0s);
    if (auto span = remembered(facts, "source-shutdown")) {
        span->likely = std::min(span->likely, limit);
        span->at_most = limit;
        span->reason += "; at most the time limit of the shutdown";
        return *span;
    }
    return {std::min<milliseconds>(60s, limit), limit, assumed() + "; at most the time limit of the shutdown"};
}

/// Bytes per second between two recovery points, newest first.
std::vector<double> change_rates(const ForecastFacts& facts) {
    std::vector<double> rates;
    for (std::size_t i = 0; i + 1 < facts.passes.size(); ++i) {
        const auto& pass = facts.passes[i];
        const auto between = pass.snapshot - facts.passes[i + 1].snapshot;
        if (pass.incremental && between > 0ms) {
            rates.push_back(static_cast<double>(pass.changed) * 1000.0 / static_cast<double>(between.count()));
        }
    }
    return rates;
}

struct Rates {
    Bytes usual = usual_rate;
    Bytes slowest = slow_rate;
    bool is_measured = false;
};

Rates copy_rates(const ForecastFacts& facts) {
    std::vector<Bytes> rates;
    for (const auto& pass : facts.passes) {
        if (pass.changed >= telling && pass.copy > 0ms) {
            rates.push_back(pass.changed * 1000 / static_cast<Bytes>(pass.copy.count()) + 1);
        }
    }
    if (rates.empty()) {
        return {};
    }
    return {median(rates), *std::min_element(rates.begin(), rates.end()), true};
}

Span last_changes(const ForecastFacts& facts) {
    const auto expected = expected_changes(facts);
    const auto rates = copy_rates(facts);
    std::vector<milliseconds> rests;
    for (const auto& pass : facts.passes) {
        if (pass.rest > 0ms) {
            rests.push_back(pass.rest);
        }
    }
    const milliseconds rest = rests.empty() ? 20s : median(rests);
    const milliseconds longest_rest = rests.empty() ? 120s : *std::max_element(rests.begin(), rests.end());
    const auto rate = rates.is_measured ? format_bytes(rates.usual) + "/s as in the last syncs"
                                        : format_bytes(rates.usual) + "/s, a usual value";
    return {rest + duration_for(expected.likely, rates.usual),
            longest_rest * reserve_percent / 100 + duration_for(expected.at_most, rates.slowest),
            "about " + format_bytes(expected.likely) + " (" + expected.reason + ") at " + rate};
}

Span usual(const ForecastFacts& facts, const UsualStep& step) {
    if (auto span = remembered(facts, step.name)) {
        return *span;
    }
    const std::string name = step.name;
    if (name == "multi-volume-snapshot-creation" || name == "volume-clone-creation") {
        return {step.likely + duration_for(facts.used, usual_snapshot_rate),
                step.at_most + duration_for(facts.used, slow_snapshot_rate),
                assumed() + " for " + format_bytes(facts.used)};
    }
    return {step.likely, step.at_most, assumed()};
}

Span boot_of(const ForecastFacts& facts) {
    const milliseconds limit = facts.boot_limit;
    auto span = remembered(facts, "vm-startup-and-validation").value_or(Span{90s, limit, assumed()});
    span.likely = std::min(span.likely, limit);
    span.at_most = std::max(limit, span.likely);
    span.reason += "; at most the time limit of the boot";
    return span;
}

}  // namespace

ExpectedChanges expected_changes(const ForecastFacts& facts) {
    const auto rates = change_rates(facts);
    if (rates.empty()) {
        return {facts.used / 100, facts.used / 10, "1 % of the data: no two syncs to tell how much changes"};
    }
    const auto since = std::max<milliseconds>(0ms, facts.now - facts.passes.front().snapshot);
    const auto bytes = [](double rate, milliseconds time) {
        return static_cast<Bytes>(std::llround(rate * static_cast<double>(time.count()) / 1000.0));
    };
    const auto usual = median(rates);
    const auto fastest = *std::max_element(rates.begin(), rates.end());
    // No more can change than there is, unless the machine grows meanwhile.
    const auto cap = [&](Bytes changed) { return facts.used == 0 ? changed : std::min(changed, facts.used); };
    return {cap(bytes(usual, since)), cap(bytes(fastest, since + facts.shutdown_limit)),
            format_bytes(bytes(usual, 1min)) + " change per minute, and the last sync is " + format_duration(since) +
                " ago"};
}

Forecast forecast(const ForecastFacts& facts) {
    Forecast forecast;
    forecast.live = facts.live;
    if (facts.live) {
        add(forecast, "Shut the source down", shutdown_of(facts));
        add(forecast, "Send the last changes", last_changes(facts));
    }
    for (const auto& step : usual_steps) {
        const std::string name = step.name;
        const bool is_of_clones = name == "volume-clone-creation" || name == "volume-return";
        if (!is_of_clones || facts.on_clones) {
            add(forecast, step.title, usual(facts, step));
        }
    }
    add(forecast, "Start the machine", boot_of(facts));
    return forecast;
}

}  // namespace mk::failover

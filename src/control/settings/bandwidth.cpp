#include "control/settings/bandwidth.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "contracts/vma_api.hpp"

namespace mk::settings {

namespace {

constexpr int minutes_per_day = 24 * 60;
constexpr int minutes_per_week = 7 * minutes_per_day;
constexpr std::array<const char*, 7> day_words = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
// More than any link between sites carries; what is beyond is a mistyped unit.
constexpr Bytes highest_limit = 1'000'000'000'000;
static_assert(lowest_limit >= contracts::least_bytes_per_second);

/// One occurrence of a window in the week that begins on Monday at 00:00.
struct Occurrence {
    std::size_t window;
    int begin;  ///< minute of the week
    int length;
};

int length_of(const BandwidthWindow& window) {
    return window.to > window.from ? window.to - window.from : window.to + minutes_per_day - window.from;
}

std::vector<Occurrence> occurrences_of(const std::vector<BandwidthWindow>& windows) {
    std::vector<Occurrence> found;
    for (std::size_t i = 0; i < windows.size(); ++i) {
        for (std::size_t day = 0; day < day_words.size(); ++day) {
            if (windows[i].days.test(day)) {
                found.push_back({i, static_cast<int>(day) * minutes_per_day + windows[i].from, length_of(windows[i])});
            }
        }
    }
    return found;
}

bool contains(const Occurrence& occurrence, int minute) {
    // The window of a Sunday night goes on in the first hours of the week.
    return (minute - occurrence.begin + minutes_per_week) % minutes_per_week < occurrence.length;
}

std::string time_text(int minute) {
    return fmt::format("{:02}:{:02}", minute / 60, minute % 60);
}

void add_limit_problem(std::vector<std::string>& problems, const std::string& what, Bytes limit) {
    if (limit != 0 && limit < lowest_limit) {
        problems.push_back(
            fmt::format("{} is below {} bytes per second, with which no copy gets on", what, lowest_limit));
    } else if (limit > highest_limit) {
        problems.push_back(fmt::format("{} is above {} bytes per second", what, highest_limit));
    }
}

/// Each pair of windows once, with the first moment at which both would count.
void add_overlaps(std::vector<std::string>& problems, const std::vector<BandwidthWindow>& windows) {
    const auto all = occurrences_of(windows);
    std::vector<std::pair<std::size_t, std::size_t>> told;
    for (const auto& a : all) {
        for (const auto& b : all) {
            const std::pair pair{std::min(a.window, b.window), std::max(a.window, b.window)};
            const bool is_same = a.window == b.window && a.begin == b.begin;
            if (is_same || !contains(a, b.begin) || std::find(told.begin(), told.end(), pair) != told.end()) {
                continue;
            }
            told.push_back(pair);
            problems.push_back(fmt::format("windows {} and {} overlap on {} at {}", pair.first + 1, pair.second + 1,
                                           day_words.at(static_cast<std::size_t>(b.begin / minutes_per_day)),
                                           time_text(b.begin % minutes_per_day)));
        }
    }
}

std::tm local_time(Instant now) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    const std::time_t time = std::chrono::system_clock::to_time_t(seconds);
    // localtime_r() alone would keep the time zone that the appliance had when the service was started.
    ::tzset();
    std::tm local{};
    if (::localtime_r(&time, &local) == nullptr) {
        throw Error(ErrorCode::internal, "the local time cannot be told");
    }
    return local;
}

int local_minute_of_week(Instant now) {
    const auto local = local_time(now);
    return (local.tm_wday + 6) % 7 * minutes_per_day + local.tm_hour * 60 + local.tm_min;
}

Json limit_to_json(Bytes limit) {
    return limit == 0 ? Json(nullptr) : Json(limit);
}

/// 0 could mean two things.
void refuse_zero(Bytes limit) {
    if (limit == 0) {
        throw Error(ErrorCode::invalid, "the field 'bytes_per_second' is 0",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Write null for no limit. To stop copies, stop them.",
                     .retry_safe = true});
    }
}

Error invalid_limits(const std::vector<std::string>& problems) {
    std::string words;
    for (const auto& problem : problems) {
        words += (words.empty() ? "" : "; ") + problem;
    }
    return {ErrorCode::invalid,
            words,
            {.consequence = "Nothing was changed.",
             .remedy = "Correct what is named; how windows are written: migratekit limit set --help",
             .retry_safe = true}};
}

/// null and absent: no limit.
Bytes limit_from(const Json& object) {
    const auto limit = json::find<Bytes>(object, "bytes_per_second");
    if (limit) {
        refuse_zero(*limit);
    }
    return limit.value_or(0);
}

int minute_from(const Json& object, const char* field) {
    const auto text = json::require<std::string>(object, field);
    const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9' ? text[at] - '0' : -10'000; };
    const int minute =
        text.size() == 5 && text[2] == ':' ? (digit(0) * 10 + digit(1)) * 60 + digit(3) * 10 + digit(4) : -1;
    if (minute < 0 || minute > minutes_per_day || digit(3) > 5) {
        throw Error(ErrorCode::invalid, fmt::format("the field '{}' is '{}', which is no time of day", field, text),
                    {.consequence = "Nothing was changed.",
                     .remedy = "Write it as HH:MM, from 00:00 to 24:00.",
                     .retry_safe = true});
    }
    return minute;
}

std::bitset<7> days_from(const Json& object) {
    std::bitset<7> days;
    for (const auto& word : json::require<std::vector<std::string>>(object, "days")) {
        const auto* const found = std::find(day_words.begin(), day_words.end(), word);
        if (found == day_words.end()) {
            throw Error(ErrorCode::invalid, "'" + word + "' is no day",
                        {.consequence = "Nothing was changed.",
                         .remedy = "Write mon, tue, wed, thu, fri, sat or sun.",
                         .retry_safe = true});
        }
        days.set(static_cast<std::size_t>(found - day_words.begin()));
    }
    return days;
}

}  // namespace

void check_limit(Bytes bytes_per_second) {
    refuse_zero(bytes_per_second);
    std::vector<std::string> problems;
    add_limit_problem(problems, "the limit", bytes_per_second);
    if (!problems.empty()) {
        throw invalid_limits(problems);
    }
}

std::vector<std::string> problems_of(const BandwidthLimits& limits) {
    std::vector<std::string> problems;
    add_limit_problem(problems, "the limit", limits.bytes_per_second);
    if (limits.windows.size() > most_windows) {
        problems.push_back(fmt::format("there are more than {} windows", most_windows));
        return problems;
    }
    for (std::size_t i = 0; i < limits.windows.size(); ++i) {
        const auto& window = limits.windows[i];
        const auto name = fmt::format("window {}", i + 1);
        add_limit_problem(problems, "the limit of " + name, window.bytes_per_second);
        if (window.days.none()) {
            problems.push_back(name + " has no day");
        }
        if (window.from == window.to) {
            problems.push_back(name + " begins and ends at " + time_text(window.from) +
                               "; a whole day is 00:00 to 24:00");
        } else if (window.from < 0 || window.from >= minutes_per_day || window.to < 0 || window.to > minutes_per_day) {
            problems.push_back(name + " begins or ends at no time of day");
        }
    }
    if (problems.empty()) {
        add_overlaps(problems, limits.windows);
    }
    return problems;
}

const BandwidthWindow* window_at(const BandwidthLimits& limits, Instant now) {
    if (limits.windows.empty()) {
        return nullptr;
    }
    const int minute = local_minute_of_week(now);
    for (const auto& occurrence : occurrences_of(limits.windows)) {
        if (contains(occurrence, minute)) {
            return &limits.windows[occurrence.window];
        }
    }
    return nullptr;
}

Bytes limit_at(const BandwidthLimits& limits, Instant now) {
    const auto* const window = window_at(limits, now);
    return window == nullptr ? limits.bytes_per_second : window->bytes_per_second;
}

std::string local_time_text(Instant now) {
    const auto local = local_time(now);
    constexpr std::array<const char*, 7> names = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    return fmt::format("{} {:02}:{:02} {}", names.at(static_cast<std::size_t>(local.tm_wday)), local.tm_hour,
                       local.tm_min, local.tm_zone);
}

Json to_json(const BandwidthWindow& window) {
    Json days = Json::array();
    for (std::size_t day = 0; day < day_words.size(); ++day) {
        if (window.days.test(day)) {
            days.push_back(day_words.at(day));
        }
    }
    return {{"days", days},
            {"from", time_text(window.from)},
            {"to", time_text(window.to)},
            {"bytes_per_second", limit_to_json(window.bytes_per_second)}};
}

Json to_json(const BandwidthLimits& limits) {
    Json windows = Json::array();
    for (const auto& window : limits.windows) {
        windows.push_back(to_json(window));
    }
    return {{"bytes_per_second", limit_to_json(limits.bytes_per_second)}, {"windows", windows}};
}

BandwidthLimits bandwidth_limits_from(const Json& json) {
    BandwidthLimits limits{.bytes_per_second = limit_from(json)};
    const auto windows = json::find<Json>(json, "windows").value_or(Json::array());
    if (!windows.is_array()) {
        throw Error(ErrorCode::invalid, "the field 'windows' has the wrong type");
    }
    for (const auto& window : windows) {
        limits.windows.push_back({.days = days_from(window),
                                  .from = minute_from(window, "from"),
                                  .to = minute_from(window, "to"),
                                  .bytes_per_second = limit_from(window)});
    }
    const auto problems = problems_of(limits);
    if (!problems.empty()) {
        throw invalid_limits(problems);
    }
    return limits;
}

}  // namespace mk::settings

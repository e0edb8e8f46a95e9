#include "cli/limit_text.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/figures.hpp"

namespace mk::cli {

namespace {

constexpr std::array<const char*, 7> days = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
using Week = std::array<bool, days.size()>;

Error no_window(const std::string& text, const std::string& why) {
    return {ErrorCode::invalid,
            "'" + text + "' is no window: " + why,
            {.consequence = "Nothing was changed.",
             .remedy = "Write days, times and rate, for example 'mon-fri 08:00-18:00 50Mbit' or 'daily 22:00-06:00 "
                       "none'.",
             .retry_safe = true}};
}

std::size_t day_from(const std::string& word, const std::string& text) {
    const auto* const found = std::find(days.begin(), days.end(), word);
    if (found == days.end()) {
        throw no_window(text, "there is no day '" + word + "'");
    }
    return static_cast<std::size_t>(found - days.begin());
}

/// "mon-fri,sun"; "sat-mon" goes over the end of the week.
Week week_from(const std::string& words, const std::string& text) {
    Week week{};
    if (words == "daily") {
        week.fill(true);
        return week;
    }
    std::istringstream items(words);
    for (std::string item; std::getline(items, item, ',');) {
        const auto dash = item.find('-');
        const auto first = day_from(item.substr(0, dash), text);
        const auto last = dash == std::string::npos ? first : day_from(item.substr(dash + 1), text);
        for (auto day = first;; day = (day + 1) % days.size()) {
            week.at(day) = true;
            if (day == last) {
                break;
            }
        }
    }
    return week;
}

std::string day_words(const Week& week) {
    std::string words;
    for (std::size_t day = 0; day < week.size(); ++day) {
        if (!week.at(day)) {
            continue;
        }
        auto last = day;
        while (last + 1 < week.size() && week.at(last + 1)) {
            ++last;
        }
        words += (words.empty() ? "" : ",") + std::string(days.at(day));
        if (last != day) {
            words += (last == day + 1 ? "," : "-") + std::string(days.at(last));
        }
        day = last;
    }
    return words == "mon-sun" ? "daily" : words;
}

}  // namespace

Json window_from(const std::string& text) {
    std::istringstream words(text);
    std::string day_list, times, rate, more;
    words >> day_list >> times >> rate;
    if (rate.empty() || words >> more) {
        throw no_window(text, "it needs days, times and a rate");
    }
    const auto dash = times.find('-');
    if (dash == std::string::npos) {
        throw no_window(text, "'" + times + "' is no span of time");
    }
    const auto limit = parse_rate(rate, "the rate");
    Json list = Json::array();
    const auto week = week_from(day_list, text);
    for (std::size_t day = 0; day < week.size(); ++day) {
        if (week.at(day)) {
            list.push_back(days.at(day));
        }
    }
    return {{"days", list},
            {"from", times.substr(0, dash)},
            {"to", times.substr(dash + 1)},
            {"bytes_per_second", limit == 0 ? Json(nullptr) : Json(limit)}};
}

std::string window_text(const Json& window) {
    Week week{};
    for (const auto& word : json::value_or<std::vector<std::string>>(window, "days", {})) {
        const auto* const found = std::find(days.begin(), days.end(), word);
        if (found != days.end()) {
            week.at(static_cast<std::size_t>(found - days.begin())) = true;
        }
    }
    return day_words(week) + " " + json::value_or<std::string>(window, "from", "") + "-" +
           json::value_or<std::string>(window, "to", "");
}

std::string limit_text(const Json& document) {
    return format_limit(json::value_or<Bytes>(document, "bytes_per_second", 0));
}

}  // namespace mk::cli

#include "base/clock.hpp"

#include <fmt/core.h>

namespace mk {

using std::chrono::milliseconds;

Instant SystemClock::now() const {
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

std::string to_iso8601(Instant instant) {
    const auto day = std::chrono::floor<std::chrono::days>(instant);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{instant - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                       time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

std::string format_duration(milliseconds duration) {
    if (duration < milliseconds::zero()) {
        return "-" + format_duration(-duration);
    }
    const auto ms = duration.count();
    if (ms < 1000) {
        return fmt::format("{} ms", ms);
    }
    const auto seconds = ms / 1000;
    if (seconds < 60) {
        return fmt::format("{} s", seconds);
    }
    const auto two_units = [](auto large, auto large_word, auto small, auto small_word) {
        return small == 0 ? fmt::format("{} {}", large, large_word)
                          : fmt::format("{} {} {} {}", large, large_word, small, small_word);
    };
    const auto minutes = seconds / 60;
    if (minutes < 60) {
        return two_units(minutes, "min", seconds % 60, "s");
    }
    const auto hours = minutes / 60;
    if (hours < 24) {
        return two_units(hours, "h", minutes % 60, "min");
    }
    return two_units(hours / 24, "d", hours % 24, "h");
}

}  // namespace mk

#include "cli/figures.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

#include "base/error.hpp"

namespace mk::cli {

namespace {

constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
constexpr std::int64_t longest_duration_s = 30 * 24 * 3600;

struct Scale {
    double divisor = 1;
    std::size_t unit = 0;
};

Scale scale_of(Bytes bytes) {
    Scale scale;
    // The same limit as format_bytes(): 1023.95 would be printed as 1024.0 of the smaller unit.
    while (static_cast<double>(bytes) / scale.divisor >= 1023.95 && scale.unit + 1 < units.size()) {
        scale.divisor *= 1024;
        ++scale.unit;
    }
    return scale;
}

/// The digits at [from, from + length), or nothing.
std::optional<int> digits(std::string_view text, std::size_t from, std::size_t length) {
    if (text.size() < from + length) {
        return std::nullopt;
    }
    int value = 0;
    for (const char c : text.substr(from, length)) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        value = value * 10 + (c - '0');
    }
    return value;
}

std::optional<int> milliseconds_in(std::string_view text) {
    if (text == "Z") {
        return 0;
    }
    return text.size() == 5 && text.front() == '.' && text.back() == 'Z' ? digits(text, 1, 3) : std::nullopt;
}

}  // namespace

std::string format_share(Bytes done, Bytes total) {
    const auto scale = scale_of(total);
    if (scale.unit == 0) {
        return fmt::format("{}/{} B", done, total);
    }
    return fmt::format("{:.1f}/{:.1f} {}", static_cast<double>(done) / scale.divisor,
                       static_cast<double>(total) / scale.divisor, units[scale.unit]);
}

std::string format_rate(Bytes bytes_per_second) {
    const auto scale = scale_of(bytes_per_second);
    return fmt::format("{:.0f} {}/s", static_cast<double>(bytes_per_second) / scale.divisor, units[scale.unit]);
}

std::string format_limit(Bytes bytes_per_second) {
    if (bytes_per_second == 0) {
        return "no limit";
    }
    constexpr std::array words{"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
    double bits = static_cast<double>(bytes_per_second) * 8;
    std::size_t unit = 0;
    while (bits >= 999.95 && unit + 1 < words.size()) {
        bits /= 1000;
        ++unit;
    }
    auto number = fmt::format("{:.1f}", bits);
    if (number.ends_with(".0")) {
        number.resize(number.size() - 2);
    }
    return fmt::format("{} {} ({}/s)", number, words.at(unit), format_bytes(bytes_per_second));
}

Bytes parse_rate(const std::string& text, const std::string& what) {
    constexpr std::pair<std::string_view, double> known[] = {
        {"bit", 0.125}, {"kbit", 125},    {"Mbit", 125e3}, {"Gbit", 125e6},     {"B", 1}, {"kB", 1e3}, {"KiB", 1024},
        {"MB", 1e6},    {"MiB", 1048576}, {"GB", 1e9},     {"GiB", 1073741824},
    };
    if (text == "none") {
        return 0;
    }
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped_at, problem] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    std::string_view unit(stopped_at, static_cast<std::size_t>(end - stopped_at));
    if (unit.ends_with("/s")) {
        unit.remove_suffix(2);
    }
    const auto* const found =
        std::find_if(std::begin(known), std::end(known), [&](const auto& entry) { return entry.first == unit; });
    const double rate = found == std::end(known) ? 0 : number * found->second;
    if (problem != std::errc{} || !(rate >= 1) || rate > 1e15) {
        throw Error(ErrorCode::invalid, fmt::format("{} '{}' is not a rate", what, text),
                    {.consequence = "Nothing was changed.",
                     .remedy = "Write for example 100Mbit, 12MB, 12MiB (each a second), or none.",
                     .retry_safe = true});
    }
    return static_cast<Bytes>(rate);
}

int percent_of(Bytes done, Bytes total, bool finished) {
    if (finished) {
        return 100;
    }
    if (total == 0) {
        return 0;
    }
    const auto share = static_cast<double>(std::min(done, total)) / static_cast<double>(total);
    return std::min(99, static_cast<int>(share * 100));
}

std::string bar(int percent, std::size_t cells) {
    const auto clamped = static_cast<std::size_t>(std::clamp(percent, 0, 100));
    const auto filled = clamped * cells / 100;
    return "[" + std::string(filled, '#') + std::string(cells - filled, '-') + "]";
}

std::string time_left(std::int64_t seconds) {
    if (seconds < 60) {
        return "under 1 min left";
    }
    auto minutes = (seconds + 59) / 60;
    if (minutes < 60) {
        return fmt::format("{} min left", minutes);
    }
    minutes = (minutes + 4) / 5 * 5;
    return minutes % 60 == 0 ? fmt::format("{} h left", minutes / 60)
                             : fmt::format("{} h {} min left", minutes / 60, minutes % 60);
}

std::string age(Instant then, Instant now) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - then).count();
    if (seconds < 1) {
        return "just now";
    }
    if (seconds < 60) {
        return fmt::format("{} s ago", seconds);
    }
    if (seconds < 3600) {
        return fmt::format("{} min ago", seconds / 60);
    }
    return seconds < 48 * 3600 ? fmt::format("{} h ago", seconds / 3600) : fmt::format("{} d ago", seconds / 86400);
}

std::optional<Instant> parse_instant(std::string_view text) {
    const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
        text[13] != ':' || text[16] != ':') {
        return std::nullopt;
    }
    const auto ms = milliseconds_in(text.substr(19));
    const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!ms || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    return std::chrono::sys_days{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
           std::chrono::seconds{*second} + std::chrono::milliseconds{*ms};
}

std::chrono::seconds parse_duration(const std::string& text, const std::string& what) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped_at, problem] = std::from_chars(text.data(), end, number);
    const std::string_view unit(stopped_at, static_cast<std::size_t>(end - stopped_at));
    const std::int64_t factor = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 86400;
    const bool is_known = factor != 86400 || unit == "d";
    if (problem != std::errc{} || !is_known || number <= 0 || number > longest_duration_s / factor) {
        throw Error(ErrorCode::invalid, fmt::format("{} '{}' is not a duration", what, text),
                    {.consequence = "Nothing was changed.",
                     .remedy = "Write for example 90s, 30m, 4h or 1d; 30 days at most.",
                     .retry_safe = true});
    }
    return std::chrono::seconds{number * factor};
}

}  // namespace mk::cli

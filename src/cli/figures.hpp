#pragma once
// Figures and times as people read them (gui.md sections 5 and 8). Pure functions.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace mk::cli {

/// "26.8/36.7 GiB": both in the unit of the total.
std::string format_share(Bytes done, Bytes total);
/// "431 MiB/s": no decimals from KiB/s on.
std::string format_rate(Bytes bytes_per_second);
/// "100 Mbit/s (11.9 MiB/s)": as lines are sold and as copies are shown; "no limit" for 0.
std::string format_limit(Bytes bytes_per_second);
/// "100Mbit", "12MB", "12MiB", "1.5Gbit", each with or without "/s", as bytes per second; "none" is 0. What could be
/// meant in two ways ("100M", "100Mb") is refused: Error{invalid} naming `what`.
Bytes parse_rate(const std::string& text, const std::string& what);
/// Whole percent of bytes that must move, rounded down; 100 only when `finished`, until then 99 at most.
int percent_of(Bytes done, Bytes total, bool finished);
/// "[##############------]" with `cells` cells. `percent` outside 0..100 is clamped.
std::string bar(int percent, std::size_t cells = 20);
/// "4 min left", rounded up to minutes below 1 h, to 5 min above; "under 1 min left".
std::string time_left(std::int64_t seconds);
/// "12 s ago", "53 min ago", "5 h ago", "31 d ago". An instant in the future (clocks differ) is "just now".
std::string age(Instant then, Instant now);

/// Reads what the API writes: "2026-01-31T12:00:00.000Z". Nothing for anything else.
std::optional<Instant> parse_instant(std::string_view text);
/// "90", "90s", "30m", "4h", "1d". Throws Error{invalid} naming `what` for anything else and for more than 30 days.
std::chrono::seconds parse_duration(const std::string& text, const std::string& what);

}  // namespace mk::cli

#pragma once
// How many bytes a second may cross between the sites: always, and in windows that return every week. Pure
// computation; times are the appliance's local time, as its clock on the wall shows it.

#include <bitset>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/json.hpp"

namespace mk::settings {

struct BandwidthWindow {
    std::bitset<7> days;         ///< on which it begins; bit 0 is Monday
    int from = 0;                ///< minute of the day, 0 to 1439
    int to = 0;                  ///< minute of the day, 1 to 1440 (24:00); not after `from`: it ends on the next day
    Bytes bytes_per_second = 0;  ///< 0: no limit

    bool operator==(const BandwidthWindow&) const = default;
};

struct BandwidthLimits {
    Bytes bytes_per_second = 0;  ///< outside of all windows; 0: no limit
    std::vector<BandwidthWindow> windows{};

    bool operator==(const BandwidthLimits&) const = default;
};

/// What the VMA takes at least: below this a pass would run into its time limits instead of going on slowly.
inline constexpr Bytes lowest_limit = 64 * KiB;
inline constexpr std::size_t most_windows = 50;

/// Throws Error{invalid} for what is no limit: 0, and what is out of bounds. No limit is said by leaving it out.
void check_limit(Bytes bytes_per_second);
/// Everything that is wrong, in words for people; empty when nothing is. Windows that overlap are refused: nobody could
/// tell which of them counts.
std::vector<std::string> problems_of(const BandwidthLimits& limits);
/// The window that `now` lies in. On the night of a change of the clocks the clock on the wall decides: an hour that
/// comes twice is in the window twice, one that is left out never.
const BandwidthWindow* window_at(const BandwidthLimits& limits, Instant now);
/// Bytes per second; 0: no limit.
Bytes limit_at(const BandwidthLimits& limits, Instant now);

/// What the appliance's clock on the wall shows: "Mon 08:30 GMT", in the time zone that the windows mean.
std::string local_time_text(Instant now);

/// {"bytes_per_second": N or null, "windows": [{"days": ["mon", ...], "from": "08:00", "to": "18:00",
/// "bytes_per_second": N or null}]}, null for no limit.
Json to_json(const BandwidthLimits& limits);
Json to_json(const BandwidthWindow& window);
/// Throws Error{invalid} for what cannot be read and, naming all of it, for what problems_of() finds.
BandwidthLimits bandwidth_limits_from(const Json& json);

}  // namespace mk::settings

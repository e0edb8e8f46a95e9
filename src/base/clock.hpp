#pragma once
// Time as the business code sees it: UTC instants in milliseconds, from a Clock that tests can turn.

#include <chrono>
#include <string>
#include <string_view>

namespace mk {

using Instant = std::chrono::sys_time<std::chrono::milliseconds>;

class Clock {
  public:
    virtual ~Clock() = default;
    virtual Instant now() const = 0;
};

class SystemClock : public Clock {
  public:
    Instant now() const override;
};

/// "2026-01-31T12:00:00.000Z"
std::string to_iso8601(Instant instant);
inline std::int64_t to_ms(Instant instant) {
    return instant.time_since_epoch().count();
}
inline Instant from_ms(std::int64_t ms) {
    return Instant{std::chrono::milliseconds{ms}};
}
/// Two units: "4 min 12 s", "850 ms", "2 h 5 min".
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace mk

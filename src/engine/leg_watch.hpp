#pragma once
// What the lanes' waiting tells: which leg is the bottleneck, and whether one more lane is worth it. Pure; one thread.

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include "base/bytes.hpp"

namespace mk::engine {

/// Sums over all lanes since the beginning.
struct LegSample {
    std::chrono::nanoseconds at{0};
    std::chrono::nanoseconds lane_time{0};  ///< lanes times time
    std::chrono::nanoseconds busy{0};       ///< processor time of lanes
    std::chrono::nanoseconds read_wait{0};
    std::chrono::nanoseconds send_wait{0};
    std::chrono::nanoseconds answer_wait{0};
    Bytes moved = 0;
};

class LegWatch {
  public:
    explicit LegWatch(bool through_tunnel) : through_tunnel_(through_tunnel) {}
    void add(const LegSample& sample);
    /// "read", "tunnel", "write": what more than 80 % of the last seconds' lane time was spent on; or "".
    std::string bottleneck() const;

  private:
    bool through_tunnel_;
    std::deque<LegSample> samples_;
};

/// How many lanes: a trial after each window of time.
class LaneGrowth {
  public:
    enum class Advice : std::uint8_t { keep, add, remove };
    /// `window` covers the time since the last call. `can_add`: the budget and the disks allow one more.
    Advice next(const LegSample& before, const LegSample& after, bool can_add);
    /// The lane of the trial could not be added.
    void refused();

  private:
    bool is_trial_ = false;
    double rate_before_ = 0;
    int rest_ = 1;  ///< windows until the next trial; the first one only settles
};

}  // namespace mk::engine

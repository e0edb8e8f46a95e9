#pragma once
// Percent, rate and time left from byte counts (gui.md section 5). Pure computation; the caller brings the time.

#include <algorithm>
#include <deque>
#include <optional>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace mk::vma {

class ProgressMeter {
  public:
    /// `total` 0 = not known yet, or not told this time. It may grow and fall (holes are found while copying); `done`
    /// that falls is ignored. A clock that was set back starts the measuring anew.
    void record(Instant now, Bytes done, Bytes total);

    /// Never more than the total.
    Bytes done() const { return std::min(done_, total_); }
    Bytes total() const { return total_; }
    /// 0 to 99, one decimal, never falling. 100 is for the caller to say: when the pass is complete.
    double percent() const { return percent_; }
    /// Mean of the last 10 s.
    double bytes_per_second(Instant now) const;
    /// From the weighted rate of the last 60 s; nothing before 20 s and 1 %, and when it is stalled. Never negative.
    std::optional<std::int64_t> eta_seconds(Instant now) const;
    /// For how long nothing has moved although something is left to do; nothing below 60 s.
    std::optional<std::int64_t> stalled_seconds(Instant now) const;

  private:
    struct Sample {
        Instant at;
        Bytes done;
    };
    void add_sample(Instant now);
    double weighted_rate(Instant now) const;

    Bytes done_ = 0;
    Bytes total_ = 0;
    double percent_ = 0;
    std::optional<Instant> started_;
    Instant moved_{};             ///< when `done_` last grew
    std::deque<Sample> samples_;  ///< the last minute, and one older
};

}  // namespace mk::vma

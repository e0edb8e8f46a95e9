#pragma once
// Percent, rate and time left from byte counts (gui.md section 5). Pure computation; the caller brings the time.

#include <deque>
#include <optional>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace mk::vma {

class ProgressMeter {
  public:
    /// `total` 0 = not known yet. Figures that fall are ignored.
    void record(Instant now, Bytes done, Bytes total);

    Bytes done() const { return done_; }
    Bytes total() const { return total_; }
    /// 0 to 99, one decimal, never falling. 100 is for the caller to say: when the pass is complete.
    double percent() const;
    /// Mean of the last 10 s.
    double bytes_per_second(Instant now) const;
    /// From the weighted rate of the last 60 s; nothing before 20 s and 1 %, and when nothing moves.
    std::optional<std::int64_t> eta_seconds(Instant now) const;

  private:
    struct Sample {
        Instant at;
        Bytes done;
    };
    double weighted_rate(Instant now) const;

    Bytes done_ = 0;
    Bytes total_ = 0;
    std::optional<Instant> started_;
    std::deque<Sample> samples_;  ///< the last minute, and one older
};

}  // namespace mk::vma

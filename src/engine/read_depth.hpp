#pragma once
// How many read requests a lane keeps in flight: one and a half times what is under way when nothing has to queue,
// which is the rate of answers times the round trip of a request that is alone. A source that answers at once gets few,
// so that what is under way stays in the processor's cache; one that takes milliseconds soon gets many. Now and then
// everything under way is let come in and one request goes alone, because a round trip cannot be seen behind a queue of
// our own making. One thread.

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace mk::engine {

class ReadDepth {
  public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr std::size_t least = 3;

    explicit ReadDepth(std::size_t most) : most_(std::max<std::size_t>(most, 1)), limit_(std::min(least, most_)) {}

    std::size_t limit() const { return is_probing_ ? 1 : limit_; }
    /// A request that was made at `asked` has its answer.
    void answered(Time asked, Time now);

  private:
    std::size_t most_;
    std::size_t limit_;
    bool is_probing_ = true;  ///< one request goes alone
    Time probe_began_ = Time::min();
    std::chrono::nanoseconds round_trip_{0};  ///< the shortest since the last probe
    std::size_t answers_ = 0;                 ///< in this window
    Time window_began_{};
};

}  // namespace mk::engine

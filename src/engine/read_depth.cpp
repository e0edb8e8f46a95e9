#include "engine/read_depth.hpp"

#include <cmath>

namespace mk::engine {

namespace {

constexpr std::size_t window = 16;  // answers
constexpr double margin = 1.5;      // measured: more leaves the processor's cache, less does not grow
constexpr std::chrono::seconds probe_interval{2};

}  // namespace

void ReadDepth::answered(Time asked, Time now) {
    if (is_probing_) {
        if (asked < probe_began_) {
            return;  // was under way when the probe began
        }
        is_probing_ = false;
        probe_began_ = now;
        round_trip_ = now - asked;
        window_began_ = now;
        answers_ = 0;
        return;
    }
    round_trip_ = std::min(round_trip_, std::chrono::nanoseconds{now - asked});
    if (++answers_ < window) {
        return;
    }
    const double elapsed = std::chrono::duration<double>(now - window_began_).count();
    const double round_trip = std::chrono::duration<double>(round_trip_).count();
    const double under_way = elapsed > 0 ? static_cast<double>(answers_) * round_trip / elapsed : 0;
    const double wanted = std::ceil(margin * std::min(under_way, static_cast<double>(most_)));
    limit_ = std::clamp(static_cast<std::size_t>(wanted), std::min(least, most_), most_);
    window_began_ = now;
    answers_ = 0;
    if (now - probe_began_ >= probe_interval) {
        is_probing_ = true;
        probe_began_ = now;
    }
}

}  // namespace mk::engine

#include "engine/leg_watch.hpp"

#include <algorithm>

namespace mk::engine {

namespace {

constexpr std::chrono::seconds watched_time{5};
constexpr double bottleneck_share = 0.8;
/// A lane that works more than this gains nothing from company on the same processors.
constexpr double most_busy = 0.5;
/// What one more lane must bring.
constexpr double least_gain = 1.05;
/// After a lane that did not help: the source's or the network's conditions may have changed.
constexpr int rest_after_failure = 20;

double share_of(std::chrono::nanoseconds part, std::chrono::nanoseconds whole) {
    return whole.count() > 0 ? static_cast<double>(part.count()) / static_cast<double>(whole.count()) : 0;
}

}  // namespace

void LegWatch::add(const LegSample& sample) {
    samples_.push_back(sample);
    while (samples_.size() > 2 && samples_.back().at - samples_[1].at >= watched_time) {
        samples_.pop_front();
    }
}

std::string LegWatch::bottleneck() const {
    if (samples_.size() < 2) {
        return {};
    }
    const LegSample& first = samples_.front();
    const LegSample& last = samples_.back();
    const std::chrono::nanoseconds time = last.lane_time - first.lane_time;
    const std::chrono::nanoseconds send = last.send_wait - first.send_wait;
    const std::chrono::nanoseconds answer = last.answer_wait - first.answer_wait;
    if (share_of(last.read_wait - first.read_wait, time) > bottleneck_share) {
        return "read";
    }
    if (through_tunnel_) {
        if (share_of(send, time) > bottleneck_share) {
            return "tunnel";
        }
        return share_of(answer, time) > bottleneck_share ? "write" : "";
    }
    return share_of(send + answer, time) > bottleneck_share ? "write" : "";
}

LaneGrowth::Advice LaneGrowth::next(const LegSample& before, const LegSample& after, bool can_add) {
    const std::chrono::nanoseconds time = after.at - before.at;
    const double rate = share_of(std::chrono::nanoseconds(after.moved - before.moved), time);
    if (rest_ > 0) {
        --rest_;
        return Advice::keep;
    }
    if (is_trial_) {
        is_trial_ = false;
        if (rate < rate_before_ * least_gain) {
            rest_ = rest_after_failure;
            return Advice::remove;
        }
    }
    const bool is_busy = share_of(after.busy - before.busy, after.lane_time - before.lane_time) > most_busy;
    if (!can_add || is_busy || rate <= 0) {
        return Advice::keep;
    }
    is_trial_ = true;
    rate_before_ = rate;
    rest_ = 1;  // it must connect first
    return Advice::add;
}

void LaneGrowth::refused() {
    is_trial_ = false;
    rest_ = rest_after_failure;
}

}  // namespace mk::engine

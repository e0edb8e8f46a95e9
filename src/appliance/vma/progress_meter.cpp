#include "appliance/vma/progress_meter.hpp"

#include <algorithm>
#include <cmath>

namespace mk::vma {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds rate_window{10};
constexpr seconds eta_window{60};
constexpr seconds eta_first_shown{20};
constexpr double eta_first_percent = 1.0;
/// Age at which a sample counts 1/e: recent speed matters more, one slow second does not.
constexpr double weight_seconds = 20.0;
constexpr double highest_percent = 99.0;

double in_seconds(milliseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

void ProgressMeter::record(Instant now, Bytes done, Bytes total) {
    total_ = std::max(total_, total);
    done_ = std::max(done_, done);
    if (total_ == 0) {
        return;
    }
    if (!started_) {
        started_ = now;
    }
    samples_.push_back({now, done_});
    while (samples_.size() > 2 && samples_[1].at <= now - eta_window) {
        samples_.pop_front();
    }
}

double ProgressMeter::percent() const {
    if (total_ == 0) {
        return 0;
    }
    const double share = 100.0 * static_cast<double>(done_) / static_cast<double>(total_);
    return std::min(highest_percent, std::floor(share * 10.0) / 10.0);
}

double ProgressMeter::bytes_per_second(Instant now) const {
    if (!started_ || samples_.empty()) {
        return 0;
    }
    const Instant from = std::max(*started_, Instant(now - rate_window));
    Bytes before = samples_.front().done;
    for (const Sample& sample : samples_) {
        if (sample.at > from) {
            break;
        }
        before = sample.done;
    }
    const double elapsed = in_seconds(now - from);
    return elapsed <= 0 ? 0 : static_cast<double>(done_ - before) / elapsed;
}

double ProgressMeter::weighted_rate(Instant now) const {
    double bytes = 0;
    double time = 0;
    for (std::size_t i = 1; i <= samples_.size(); ++i) {
        // The time since the last sample counts too: a stall lowers the rate.
        const Instant end = i < samples_.size() ? samples_[i].at : now;
        const Bytes moved = i < samples_.size() ? samples_[i].done - samples_[i - 1].done : 0;
        const double weight = std::exp(-in_seconds(now - end) / weight_seconds);
        bytes += weight * static_cast<double>(moved);
        time += weight * in_seconds(end - samples_[i - 1].at);
    }
    return time <= 0 ? 0 : bytes / time;
}

std::optional<std::int64_t> ProgressMeter::eta_seconds(Instant now) const {
    if (!started_ || now - *started_ < eta_first_shown || percent() < eta_first_percent) {
        return std::nullopt;
    }
    const bool is_stalled = bytes_per_second(now) <= 0 && now - samples_.back().at >= eta_window;
    const double rate = weighted_rate(now);
    if (is_stalled || rate < 1.0) {
        return std::nullopt;
    }
    return std::llround(static_cast<double>(total_ - std::min(done_, total_)) / rate);
}

}  // namespace mk::vma

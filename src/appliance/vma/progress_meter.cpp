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
constexpr seconds stalled_after{60};
/// Reports closer together than this are one sample: their number is bounded, however talkative the engine.
constexpr milliseconds sample_interval{200};
constexpr double highest_percent = 99.0;

double in_seconds(milliseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

void ProgressMeter::record(Instant now, Bytes done, Bytes total) {
    total_ = total == 0 ? total_ : total;
    const bool has_moved = done > done_;
    done_ = std::max(done_, done);
    if (total_ == 0) {
        return;
    }
    const double share = 100.0 * static_cast<double>(done_) / static_cast<double>(total_);
    percent_ = std::max(percent_, std::min(highest_percent, std::floor(share * 10.0) / 10.0));
    if (!started_ || now < samples_.back().at) {
        started_ = now;
        moved_ = now;
        samples_.clear();
    }
    if (has_moved) {
        moved_ = now;
    }
    add_sample(now);
}

void ProgressMeter::add_sample(Instant now) {
    if (samples_.size() > 1 && now - samples_[samples_.size() - 2].at < sample_interval) {
        samples_.pop_back();
    }
    samples_.push_back({now, done_});
    while (samples_.size() > 2 && samples_[1].at <= now - eta_window) {
        samples_.pop_front();
    }
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
    if (!started_ || now - *started_ < eta_first_shown || percent() < eta_first_percent || stalled_seconds(now)) {
        return std::nullopt;
    }
    const double rate = weighted_rate(now);
    if (rate < 1.0) {
        return std::nullopt;
    }
    return std::llround(static_cast<double>(total_ - std::min(done_, total_)) / rate);
}

std::optional<std::int64_t> ProgressMeter::stalled_seconds(Instant now) const {
    if (!started_ || done_ >= total_ || now - moved_ < stalled_after) {
        return std::nullopt;
    }
    return std::chrono::floor<seconds>(now - moved_).count();
}

}  // namespace mk::vma

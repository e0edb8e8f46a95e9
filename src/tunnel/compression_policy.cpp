#include "tunnel/compression_policy.hpp"

#include <algorithm>

namespace mk::tunnel {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr Bytes window_size = 2 * MiB;
/// Compressing that saves less than this costs the other side more than it gives.
constexpr double useless_ratio = 0.97;
/// Shares of a window's time.
constexpr double wire_is_the_limit = 0.25;
constexpr double wire_is_idle = 0.05;
constexpr double processor_is_the_limit = 0.5;
constexpr double mostly_waiting = 0.5;
constexpr double processor_has_time = 0.25;
/// A trial must beat what was without it by more than measuring errors.
constexpr double worthwhile = 1.05;
/// A higher level must make the data smaller by this factor.
constexpr double smaller = 0.98;
/// A connection shares wire and processor with others, so single windows differ a lot.
constexpr int trial_windows = 4;
constexpr double weight_of_new = 0.3;
constexpr Bytes first_pause = 8 * MiB;
constexpr Bytes longest_pause = 256 * MiB;

double smoothed(double so_far, double now) {
    return so_far <= 0 ? now : so_far + weight_of_new * (now - so_far);
}

}  // namespace

void CompressionPolicy::add(const Sample& sample) {
    window_.payload += sample.payload;
    window_.on_wire += sample.on_wire;
    window_.elapsed += sample.elapsed;
    window_.compressing += sample.compressing;
    window_.wait += sample.wait;
    if (window_.payload >= window_size) {
        judge();
        window_ = {};
    }
}

void CompressionPolicy::judge() {
    const double seconds = std::max(Seconds(window_.elapsed).count(), 1e-9);
    const double waiting = Seconds(window_.wait).count() / seconds;
    const double rate = static_cast<double>(window_.payload) / seconds;
    if (level_ == 0) {
        judge_uncompressed(waiting, rate);
        return;
    }
    const double busy = Seconds(window_.compressing).count() / seconds;
    const double ratio = static_cast<double>(window_.on_wire) / static_cast<double>(window_.payload);
    judge_compressed(waiting, busy, rate, ratio);
}

void CompressionPolicy::judge_uncompressed(double waiting, double rate) {
    since_off_ += window_.payload;
    if (waiting < wire_is_the_limit) {
        waiting_windows_ = 0;
        return;
    }
    if (++waiting_windows_ == 1) {
        return;  // a part of it went into buffers that were empty: faster than the wire is
    }
    rate_without_ = smoothed(rate_without_, rate);
    if (is_off_for_processor_ || since_off_ >= pause_) {
        trial_windows_left_ = trial_windows;
        rate_with_ = 0;
        ratio_below_ = 2;
        level_ = 1;
    }
}

void CompressionPolicy::judge_compressed(double waiting, double busy, double rate, double ratio) {
    rate_with_ = smoothed(rate_with_, rate);
    const bool is_faster = rate_with_ >= rate_without_ * worthwhile;
    const bool was_on_trial = trial_windows_left_ > 0;
    trial_windows_left_ -= was_on_trial ? 1 : 0;
    if (ratio > useless_ratio || (was_on_trial && trial_windows_left_ == 0 && !is_faster)) {
        switch_off();
        return;
    }
    if (trial_windows_left_ > 0) {
        return;
    }
    if (waiting < wire_is_idle && busy > processor_is_the_limit) {
        if (level_ > 1) {
            highest_level_ = level_ - 1;
            change_level(level_ - 1, 2);
        } else if (!is_faster || rate_without_ <= 0) {
            switch_off_for_processor();
        }
        return;
    }
    pause_ = first_pause;
    if (level_ > 1 && ratio > ratio_below_ * smaller) {
        highest_level_ = level_ - 1;
        change_level(level_ - 1, 2);
    } else if (waiting > mostly_waiting && busy < processor_has_time && level_ < highest_level_) {
        change_level(level_ + 1, ratio);
    }
}

void CompressionPolicy::switch_off() {
    switch_off_for_processor();
    is_off_for_processor_ = false;
    pause_ = std::min(pause_ * 2, longest_pause);
}

void CompressionPolicy::switch_off_for_processor() {
    level_ = 0;
    since_off_ = 0;
    waiting_windows_ = 0;
    is_off_for_processor_ = true;
    trial_windows_left_ = 0;
    highest_level_ = 6;
}

void CompressionPolicy::change_level(int level, double ratio) {
    level_ = level;
    ratio_below_ = ratio;
}

}  // namespace mk::tunnel

#pragma once
// Whether compressing pays right now, and how hard to try. Pure arithmetic over what was measured; one per stream.
//
// Looked at window by window (2 MiB of payload). Of a window's time, `wait` was spent waiting for the wire and
// `compressing` in the compressor.
//
//   off --(the wire was waited for, and the pause is over)--> level 1, on trial
//   off for the processor's sake --(the wire was waited for)--> level 1, on trial: the first megabytes of a connection
//       only fill the buffers of its sockets, so that every wire looks fast to begin with
//   on trial, four windows long --(not faster than without, or ratio > 0.97)--> off; the pause doubles
//   level n --(ratio > 0.97)--> off; the pause doubles
//   level n --(hardly any wait, the processor is busy)--> level n-1 ... off
//   level n --(mostly waiting, processor idle)--> level n+1, as long as that makes the data smaller

#include <chrono>
#include <cstdint>

#include "base/bytes.hpp"

namespace mk::tunnel {

class CompressionPolicy {
  public:
    struct Sample {
        Bytes payload = 0;
        Bytes on_wire = 0;
        std::chrono::nanoseconds elapsed{0};
        std::chrono::nanoseconds compressing{0};
        std::chrono::nanoseconds wait{0};
    };

    /// For the next frame; 0: as it is.
    int level() const { return level_; }
    void add(const Sample& sample);

  private:
    void judge();
    void judge_uncompressed(double waiting, double rate);
    void judge_compressed(double waiting, double busy, double rate, double ratio);
    void switch_off();
    void switch_off_for_processor();
    void change_level(int level, double ratio);

    int level_ = 1;  ///< to begin with: a slow wire is told at once, a fast one costs 2 MiB of compressing
    Sample window_;
    int trial_windows_left_ = 0;  ///< 0: not on trial
    bool is_off_for_processor_ = false;
    int waiting_windows_ = 0;  ///< one after the other, without compression
    double rate_without_ = 0;  ///< payload per second while the wire was waited for, smoothed; 0: not known
    double rate_with_ = 0;     ///< the same with compression, since it was switched on
    double ratio_below_ = 2;   ///< at the level below this one
    int highest_level_ = 6;    ///< beyond it nothing was gained
    Bytes pause_ = 8 * MiB;    ///< twice this passes before the next trial
    Bytes since_off_ = 0;
};

}  // namespace mk::tunnel

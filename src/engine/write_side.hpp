#pragma once
// A lane's write channel: opened when first needed, opened again when lost. Tells what must be done again; what to do
// about it is the lane's business. One thread.

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/disk_copy.hpp"
#include "engine/lane_meter.hpp"
#include "engine/patience.hpp"

namespace mk::engine {

/// What a lost channel means.
struct WriteLoss {
    bool is_other_instance = false;  ///< all that was not durable may be gone
    std::vector<Range> unanswered;   ///< may or may not have arrived
};

class WriteSide {
  public:
    WriteSide(DiskCopy& disk, const CopyOptions& options, LaneMeter& meter);

    /// Calls work(channel). When the channel was lost, opens another one and tells what was lost with the old one: then
    /// `work` may or may not have been done. Throws what cannot be repeated.
    template <class Work>
    std::optional<WriteLoss> attempt(const Work& work, const std::stop_token& stop) {
        try {
            if (!channel_) {
                open(stop);
            }
            work(*channel_);
            note_waits();
            return std::nullopt;
        } catch (const Error& error) {
            return recover(error, stop);
        }
    }

    /// Opens the channel unless it is open; tried once.
    void connect(const std::stop_token& stop) {
        if (!channel_) {
            open(stop);
        }
    }
    /// The same with patience.
    void make_open(const std::stop_token& stop) {
        if (!channel_) {
            attempt([](block::WriteChannel&) {}, stop);  // nothing can be lost with a channel that never was
        }
    }
    /// A flush was answered: however long ago the last cut was, it is over.
    void note_flushed() { patience_.progressed(); }
    void note_sent(Bytes bytes) { handed_over_ += bytes; }
    Bytes unanswered_bytes() const;

  private:
    void open(const std::stop_token& stop);
    WriteLoss recover(const Error& error, const std::stop_token& stop);
    void note_waits();

    DiskCopy& disk_;
    LaneMeter& meter_;
    Patience patience_;
    std::unique_ptr<block::WriteChannel> channel_;
    std::string instance_;
    Bytes handed_over_ = 0;                  ///< to this channel
    std::chrono::nanoseconds send_wait_{0};  ///< of the channels before
    std::chrono::nanoseconds answer_wait_{0};
};

}  // namespace mk::engine

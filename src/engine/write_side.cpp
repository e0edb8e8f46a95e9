#include "engine/write_side.hpp"

namespace mk::engine {

WriteSide::WriteSide(DiskCopy& disk, const CopyOptions& options, LaneMeter& meter)
    : disk_(disk), meter_(meter), patience_(options.patience) {}

Bytes WriteSide::unanswered_bytes() const {
    return channel_ ? total_length(channel_->unanswered()) : 0;
}

void WriteSide::open(const std::stop_token& stop) {
    DiskCopy::Writer writer = disk_.open_writer(stop);
    channel_ = std::move(writer.channel);
    instance_ = std::move(writer.instance);
    handed_over_ = 0;
}

WriteLoss WriteSide::recover(const Error& error, const std::stop_token& stop) {
    if (!error.retryable()) {
        throw error;
    }
    const Trouble trouble(disk_, "target", error);
    WriteLoss loss;
    const std::string instance = instance_;
    const bool was_open = channel_ != nullptr;
    if (channel_) {
        loss.unanswered = channel_->unanswered();
        if (handed_over_ > total_length(loss.unanswered)) {
            patience_.progressed();
        }
        send_wait_ += channel_->send_wait();
        answer_wait_ += channel_->answer_wait();
        channel_.reset();
    }
    for (Error last = error; !channel_;) {
        patience_.wait(last, stop);
        try {
            open(stop);
        } catch (const Error& again) {
            last = again;
        }
    }
    loss.is_other_instance = was_open && (instance.empty() || instance != instance_);
    return loss;
}

void WriteSide::note_waits() {
    meter_.send_wait_ns.store((send_wait_ + channel_->send_wait()).count(), std::memory_order_relaxed);
    meter_.answer_wait_ns.store((answer_wait_ + channel_->answer_wait()).count(), std::memory_order_relaxed);
}

}  // namespace mk::engine

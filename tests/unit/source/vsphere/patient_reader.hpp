#pragma once
// Reads from a BlockSource as the copy engine does: a channel that is lost is opened again, and what it did not answer
// is asked again.

#include <algorithm>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/error.hpp"
#include "block/block_source.hpp"

namespace mk::vsphere {

class PatientReader {
  public:
    explicit PatientReader(block::BlockSource& source, int patience = 100) : source_(source), patience_(patience) {}

    void read(Bytes offset, std::span<std::byte> buffer, const std::stop_token& stop = {}) {
        std::vector<Range> open;
        for (Bytes at = 0; at < buffer.size(); at += source_.max_request()) {
            open.push_back({offset + at, std::min<Bytes>(source_.max_request(), buffer.size() - at)});
        }
        while (!open.empty()) {
            try {
                read_pieces(open, offset, buffer, stop);
            } catch (const Error& error) {
                if (!error.retryable() || --patience_ < 0) {
                    throw;
                }
                channel_.reset();
            }
        }
    }

  private:
    void read_pieces(std::vector<Range>& open, Bytes offset, std::span<std::byte> buffer, const std::stop_token& stop) {
        if (!channel_) {
            channel_ = source_.open_channel(stop);
        }
        for (const Range& range : open) {
            channel_->request(range);
        }
        while (channel_->in_flight() > 0) {
            const auto reply = channel_->receive(stop);
            std::ranges::copy(reply.data, buffer.begin() + static_cast<std::ptrdiff_t>(reply.range.offset - offset));
            std::erase(open, reply.range);
        }
    }

    block::BlockSource& source_;
    std::unique_ptr<block::ReadChannel> channel_;
    int patience_;
};

}  // namespace mk::vsphere

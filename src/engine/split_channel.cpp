#include "engine/split_channel.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace mk::engine {

SplitReadChannel::SplitReadChannel(std::unique_ptr<block::ReadChannel> channel, Bytes piece)
    : channel_(std::move(channel)), piece_(piece) {}

void SplitReadChannel::request(Range range) {
    open_[range.offset] = {.range = range, .data = std::vector<std::byte>(range.length), .missing = range.length};
    for (Bytes at = range.offset; at < range.end();) {
        const Bytes length = std::min(piece_, range.end() - at);
        channel_->request({at, length});
        at += length;
    }
}

block::ReadChannel::Reply SplitReadChannel::receive(const std::stop_token& stop) {
    for (;;) {
        const auto whole =
            std::find_if(open_.begin(), open_.end(), [](const auto& entry) { return entry.second.missing == 0; });
        if (whole != open_.end()) {
            answered_ = std::move(whole->second);
            open_.erase(whole);
            if (answered_.failure) {
                throw block::ReadFailure(*answered_.failure, answered_.range);
            }
            return {answered_.range, answered_.data};
        }
        try {
            put(channel_->receive(stop));
        } catch (const block::ReadFailure& failure) {
            Open& open = find(failure.range());
            open.missing -= failure.range().length;
            open.failure = failure;
        }
    }
}

SplitReadChannel::Open& SplitReadChannel::find(Range piece) {
    const auto after = open_.upper_bound(piece.offset);
    if (after != open_.begin()) {
        Open& open = std::prev(after)->second;
        if (piece.end() <= open.range.end() && piece.length <= open.missing) {
            return open;
        }
    }
    throw Error(ErrorCode::corrupt, "the reader answered what was not asked");
}

void SplitReadChannel::put(const Reply& reply) {
    Open& open = find(reply.range);
    if (reply.data.size() != reply.range.length) {
        throw Error(ErrorCode::corrupt, "the reader answered what was not asked");
    }
    std::copy(reply.data.begin(), reply.data.end(),
              open.data.begin() + static_cast<std::ptrdiff_t>(reply.range.offset - open.range.offset));
    open.missing -= reply.range.length;
}

}  // namespace mk::engine

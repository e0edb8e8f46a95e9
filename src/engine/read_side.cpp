#include "engine/read_side.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "base/error.hpp"

namespace mk::engine {

using std::chrono::steady_clock;

namespace {

Error protocol_error() {
    return Error(ErrorCode::corrupt, "the reader answered what was not asked",
                 {.consequence = "Nothing of that answer was written.", .retry_safe = true});
}

}  // namespace

ReadSide::ReadSide(DiskCopy& disk, const CopyOptions& options, LaneMeter& meter)
    : disk_(disk),
      meter_(meter),
      depth_(options.requests_in_flight),
      most_attempts_(options.read_attempts),
      pause_(options.patience.first_pause),
      patience_(options.patience) {
    requests_.reserve(std::max<std::size_t>(options.requests_in_flight, 1));
}

void ReadSide::request(const ReadRequest& request) {
    requests_.push_back(request);
    requests_.back().asked = steady_clock::now();
    if (!channel_) {
        return;  // sent when it is open
    }
    try {
        channel_->request(request.range);
    } catch (const Error& error) {
        if (!error.retryable()) {
            throw;
        }
        // The next receive() sees the loss as well; then it is waited for.
    }
}

ReadSide::Answer ReadSide::receive(const std::stop_token& stop) {
    for (;;) {
        try {
            if (!channel_) {
                open(stop);
            }
            repeat_failed(stop);
            const auto begin = steady_clock::now();
            const block::ReadChannel::Reply reply = channel_->receive(stop);
            const auto now = steady_clock::now();
            const auto waited = std::chrono::nanoseconds(now - begin).count();
            meter_.read_wait_ns.store(meter_.read_wait_ns.load(std::memory_order_relaxed) + waited,
                                      std::memory_order_relaxed);
            if (reply.data.size() != reply.range.length) {
                throw protocol_error();
            }
            ReadRequest& found = find(reply.range);
            const ReadRequest request = found;
            found = requests_.back();
            requests_.pop_back();
            depth_.answered(request.asked, now);
            has_moved_ = true;
            trouble_.reset();
            return {request, reply.data};
        } catch (const block::ReadFailure& failure) {
            note_failure(failure);
        } catch (const Error& error) {
            lose_channel(error, stop);
        }
    }
}

ReadRequest& ReadSide::find(Range range) {
    const auto found =
        std::find_if(requests_.begin(), requests_.end(), [&](const ReadRequest& each) { return each.range == range; });
    if (found == requests_.end()) {
        throw protocol_error();
    }
    return *found;
}

void ReadSide::open(const std::stop_token& stop) {
    channel_ = disk_.open_reader(stop);
    has_moved_ = false;
    failed_.reset();
    for (const ReadRequest& each : requests_) {
        channel_->request(each.range);
    }
}

void ReadSide::note_failure(const block::ReadFailure& failure) {
    ReadRequest& request = find(failure.range());
    if (request.attempts == most_attempts_) {
        throw failure.within("reading " + std::to_string(request.range.length) + " bytes at offset " +
                             std::to_string(request.range.offset) + " failed " + std::to_string(most_attempts_) +
                             " times");
    }
    ++request.attempts;
    failed_ = request.range;
}

void ReadSide::repeat_failed(const std::stop_token& stop) {
    if (!failed_) {
        return;
    }
    if (!pause(pause_ * (find(*failed_).attempts - 1), stop)) {
        throw Error(ErrorCode::cancelled, "the copy was stopped");
    }
    channel_->request(*std::exchange(failed_, std::nullopt));
}

void ReadSide::lose_channel(const Error& error, const std::stop_token& stop) {
    if (!error.retryable()) {
        throw error;
    }
    trouble_.emplace(disk_, "reader", error);
    channel_.reset();
    if (has_moved_) {
        patience_.progressed();
        has_moved_ = false;
    }
    patience_.wait(error, stop);
}

void ReadSide::abandon(const std::stop_token& stop) {
    while (channel_ && channel_->in_flight() > 0) {
        try {
            channel_->receive(stop);
        } catch (const block::ReadFailure&) {
            continue;  // an answer like others
        } catch (const Error& error) {
            if (!error.retryable()) {
                throw;
            }
            channel_.reset();
        }
    }
    requests_.clear();
    failed_.reset();
}

}  // namespace mk::engine

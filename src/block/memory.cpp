#include "block/memory.hpp"

#include <algorithm>
#include <deque>
#include <optional>

#include "base/error.hpp"

namespace mk::block {

namespace {

constexpr Bytes hole_granularity = 4 * KiB;

void check_bounds(Range range, Bytes capacity) {
    if (range.offset > capacity || range.length > capacity - range.offset) {
        throw Error(ErrorCode::internal, "a request lies outside of the disk");
    }
}

void check_stop(const std::stop_token& stop) {
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "stopped");
    }
}

std::ptrdiff_t at(Bytes offset) {
    return static_cast<std::ptrdiff_t>(offset);
}

/// True for the one call that brings the counter from 1 to 0.
bool is_due(std::atomic<int>& countdown) {
    int left = countdown;
    while (left > 0 && !countdown.compare_exchange_weak(left, left - 1)) {
    }
    return left == 1;
}

/// Remembers what broke a channel, so that every later call fails in the same way.
class Breakage {
  public:
    void check() const {
        if (error_) {
            throw Error(*error_);
        }
    }
    [[noreturn]] void fail(const Error& error) {
        error_ = error;
        throw Error(error);
    }
    void check_stop(const std::stop_token& stop) {
        if (stop.stop_requested()) {
            fail(Error(ErrorCode::cancelled, "stopped"));
        }
    }

  private:
    std::optional<Error> error_;
};

Error lost() {
    return Error(ErrorCode::unavailable, "the connection was lost", {.retry_safe = true});
}

/// Counts a channel as long as it lives.
class Counted {
  public:
    explicit Counted(std::atomic<int>& counter) : counter_(counter) { ++counter_; }
    ~Counted() { --counter_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

  private:
    std::atomic<int>& counter_;
};

template <typename Queue>
typename Queue::value_type take(Queue& queue, bool newest) {
    auto taken = std::move(newest ? queue.back() : queue.front());
    newest ? queue.pop_back() : queue.pop_front();
    return taken;
}

}  // namespace

class MemorySource::Channel : public ReadChannel {
  public:
    explicit Channel(MemorySource& source) : source_(source), counted_(source.open_channels) {}

    void request(Range range) override {
        breakage_.check();
        check_bounds(range, source_.capacity());
        if (range.length > source_.max_request() || std::ranges::find(waiting_, range) != waiting_.end()) {
            throw Error(ErrorCode::internal, "a read request is too long or already in flight");
        }
        waiting_.push_back(range);
    }

    Reply receive(const std::stop_token& stop) override {
        breakage_.check();
        breakage_.check_stop(stop);
        if (waiting_.empty()) {
            throw Error(ErrorCode::internal, "no read request is in flight");
        }
        const Range range = take(waiting_, source_.answers_newest_first);
        if (is_due(source_.break_at)) {
            breakage_.fail(lost());
        }
        call_hook(range);
        buffer_.resize(range.length);
        std::copy_n(source_.content_.begin() + at(range.offset), range.length, buffer_.begin());
        const std::lock_guard lock(source_.mutex_);
        source_.reads.push_back(range);
        return {range, buffer_};
    }

    std::size_t in_flight() const override { return waiting_.size(); }

  private:
    void call_hook(Range range) {
        try {
            if (source_.on_read) {
                source_.on_read(range);
            }
        } catch (const Error& error) {
            if (error.code() != ErrorCode::external) {
                breakage_.fail(error);
            }
            throw ReadFailure(error, range);
        }
    }

    MemorySource& source_;
    const Counted counted_;
    std::deque<Range> waiting_;
    std::vector<std::byte> buffer_;
    Breakage breakage_;
};

MemorySource::MemorySource(std::vector<std::byte> content, Bytes max_request)
    : content_(std::move(content)), max_request_(max_request) {}

std::unique_ptr<ReadChannel> MemorySource::open_channel(const std::stop_token& stop) {
    check_stop(stop);
    if (on_open) {
        on_open();
    }
    return std::make_unique<Channel>(*this);
}

std::vector<Extent> MemorySource::extents(Range range, const std::stop_token& stop) {
    check_stop(stop);
    check_bounds(range, content_.size());
    std::vector<Extent> out;
    for (Bytes offset = range.offset; offset < range.end();) {
        const Bytes end = std::min(range.end(), (offset / hole_granularity + 1) * hole_granularity);
        const bool is_zero = std::all_of(content_.begin() + at(offset), content_.begin() + at(end),
                                         [](std::byte value) { return value == std::byte{0}; });
        if (!out.empty() && out.back().is_zero == is_zero) {
            out.back().range.length += end - offset;
        } else {
            out.push_back({{offset, end - offset}, is_zero});
        }
        offset = end;
    }
    return out;
}

class MemorySink::Channel : public WriteChannel {
  public:
    explicit Channel(MemorySink& sink)
        : sink_(sink), counted_(sink.open_channels), generation_(sink.current_generation()) {}

    void write(Bytes offset, std::span<const std::byte> data, const std::stop_token& stop) override {
        if (data.size() > sink_.max_request()) {
            throw Error(ErrorCode::internal, "a write request is too long");
        }
        add({{offset, data.size()}, std::vector(data.begin(), data.end())}, stop);
        sent_ += data.size();
    }

    void zero(Range range, const std::stop_token& stop) override { add({range, std::nullopt}, stop); }

    void drain(const std::stop_token& stop) override {
        check(stop);
        while (!waiting_.empty()) {
            carry_out_next();
        }
    }

    void flush(const std::stop_token& stop) override {
        drain(stop);
        if (sink_.on_flush) {
            guarded([&] { sink_.on_flush(); });
        }
        const std::lock_guard lock(sink_.mutex_);
        check_generation();
        sink_.durable_ = sink_.content;
        ++sink_.flushes;
    }

    std::vector<Range> unanswered() const override {
        std::vector<Range> ranges = lost_;
        for (const Request& request : waiting_) {
            ranges.push_back(request.range);
        }
        return ranges;
    }

    std::chrono::nanoseconds send_wait() const override { return {}; }
    std::chrono::nanoseconds answer_wait() const override { return {}; }
    Bytes sent() const override { return sent_; }

  private:
    struct Request {
        Range range;
        std::optional<std::vector<std::byte>> data;  ///< nothing: zeros
    };

    void check(const std::stop_token& stop) {
        breakage_.check();
        breakage_.check_stop(stop);
    }

    void add(Request request, const std::stop_token& stop) {
        check_bounds(request.range, sink_.capacity());
        if (request.range.length == 0) {
            return;
        }
        waiting_.push_back(std::move(request));  // first: a failing call counts as not answered
        check(stop);
        while (waiting_.size() > sink_.unanswered_depth) {
            carry_out_next();
        }
    }

    void carry_out_next() {
        const Request request = take(waiting_, sink_.answers_newest_first);
        lost_.push_back(request.range);
        if (is_due(sink_.break_at)) {
            carry_out_every_other();
            breakage_.fail(lost());
        }
        if (sink_.on_write) {
            guarded([&] { sink_.on_write(request.range); });
        }
        carry_out(request);
        lost_.pop_back();
    }

    void carry_out(const Request& request) {
        const std::lock_guard lock(sink_.mutex_);
        check_generation();
        const auto target = sink_.content.begin() + at(request.range.offset);
        if (request.data) {
            std::ranges::copy(*request.data, target);
            sink_.writes.push_back(request.range);
        } else {
            std::fill_n(target, request.range.length, std::byte{0});
            sink_.zeroes.push_back(request.range);
        }
    }

    void carry_out_every_other() {
        for (std::size_t i = 0; i < waiting_.size(); i += 2) {
            carry_out(waiting_[i]);
        }
    }

    void check_generation() {
        if (generation_ != sink_.generation_) {
            breakage_.fail(lost());
        }
    }

    template <typename Hook>
    void guarded(Hook hook) {
        try {
            hook();
        } catch (const Error& error) {
            breakage_.fail(error);
        }
    }

    MemorySink& sink_;
    const Counted counted_;
    const int generation_;
    std::deque<Request> waiting_;
    std::vector<Range> lost_;  ///< what was being carried out when the channel broke
    Bytes sent_ = 0;
    Breakage breakage_;
};

MemorySink::MemorySink(Bytes capacity, std::byte fill, Bytes max_request)
    : content(capacity, fill), capacity_(capacity), max_request_(max_request), durable_(content) {}

std::unique_ptr<WriteChannel> MemorySink::open_channel(const std::stop_token& stop) {
    check_stop(stop);
    if (on_open) {
        on_open();
    }
    if (!multi_conn && open_channels > 0) {
        throw Error(ErrorCode::conflict, "the target takes one connection at a time");
    }
    return std::make_unique<Channel>(*this);
}

int MemorySink::current_generation() const {
    const std::lock_guard lock(mutex_);
    return generation_;
}

std::string MemorySink::instance() const {
    return "memory-" + std::to_string(current_generation());
}

void MemorySink::restart() {
    const std::lock_guard lock(mutex_);
    content = durable_;
    ++generation_;
}

}  // namespace mk::block

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "base/error.hpp"
#include "block/nbd_channels.hpp"
#include "block/nbd_wire.hpp"

namespace mk::block::nbd {
namespace {

using std::chrono::steady_clock;

/// A request without payload may be as large as 4 GiB, but a server without fast zeroing writes it out within our time
/// limit.
constexpr Bytes longest_zero = 128 * MiB;
/// Requests without payload are sent together, at most so many.
constexpr std::size_t most_held_back = 8;

// For servers that cannot zero. Not const: like this it costs no space in the program file.
std::array<std::byte, 256 * KiB> zeros{};

/// Adds the time of its life, however it ends.
class Stopwatch {
  public:
    explicit Stopwatch(std::chrono::nanoseconds& total) : total_(total) {}
    ~Stopwatch() { total_ += steady_clock::now() - begun_; }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

  private:
    std::chrono::nanoseconds& total_;
    const steady_clock::time_point begun_ = steady_clock::now();
};

class NbdWriteChannel : public WriteChannel {
  public:
    NbdWriteChannel(std::unique_ptr<Link> link, std::shared_ptr<void> keep)
        : keep_(std::move(keep)), link_(std::move(link)) {
        flying_.reserve(most_unanswered_requests);
    }

    void write(Bytes offset, std::span<const std::byte> data, const std::stop_token& stop) override {
        check({offset, data.size()}, link_->max_request());
        attempt({offset, data.size()});
        link_->run(stop, [&] { send_data(offset, data); });
    }

    void zero(Range range, const std::stop_token& stop) override {
        check(range, range.length);
        attempt(range);
        link_->run(stop, [&] {
            const bool can_zero = link_->info().has(flag_send_write_zeroes);
            const Bytes piece = can_zero ? zero_limit() : std::min<Bytes>(zeros.size(), link_->max_request());
            while (attempted_.length > 0) {
                const Bytes length = std::min(piece, attempted_.length);
                can_zero ? hold_back_zero({attempted_.offset, length})
                         : send_data(attempted_.offset, std::span(zeros).first(length));
            }
        });
    }

    void drain(const std::stop_token& stop) override {
        link_->run(stop, [&] { answer_all(); });
    }

    void flush(const std::stop_token& stop) override {
        link_->run(stop, [&] {
            answer_all();
            begin_request(Command::flush, {});
            answer_all();
        });
    }

    std::vector<Range> unanswered() const override {
        std::vector<Range> ranges;
        for (const Flying& flying : flying_) {
            if (flying.range.length > 0) {  // a flush has no range
                ranges.push_back(flying.range);
            }
        }
        if (attempted_.length > 0) {
            ranges.push_back(attempted_);
        }
        return ranges;
    }

    std::chrono::nanoseconds send_wait() const override { return link_->stream().write_wait(); }
    std::chrono::nanoseconds answer_wait() const override { return answer_wait_; }
    Bytes sent() const override { return sent_; }

  private:
    struct Flying {
        Range range;
        Bytes payload = 0;
        std::uint64_t cookie = 0;
    };

    void check(Range range, Bytes limit) const {
        const Bytes capacity = link_->info().capacity;
        if (range.length > limit || range.offset > capacity || range.length > capacity - range.offset) {
            throw Error(ErrorCode::internal, fmt::format("{} bytes at offset {} cannot be written to {}", range.length,
                                                         range.offset, link_->peer()));
        }
    }

    /// Whatever becomes of the call, its range is unanswered until it has succeeded.
    void attempt(Range range) {
        if (attempted_.length > 0) {  // of an earlier call, which failed
            flying_.push_back({attempted_, 0, 0});
        }
        attempted_ = range;
    }

    Bytes zero_limit() const {
        const bool is_announced = link_->info().max_request > 0;
        return is_announced ? std::min(link_->server_maximum(), longest_zero) : longest_zero;
    }

    void send_data(Bytes offset, std::span<const std::byte> data) {
        if (data.empty()) {
            return;
        }
        make_room(data.size());
        begin_request(Command::write, {offset, data.size()});
        flying_.back().payload = data.size();
        unanswered_bytes_ += data.size();
        const std::array<std::span<const std::byte>, 2> pieces{held_back(), data};
        held_ = 0;
        link_->stream().write(std::span<const std::span<const std::byte>>(pieces));
        sent_ += data.size();
    }

    void hold_back_zero(Range range) {
        make_room(0);
        begin_request(Command::write_zeroes, range);
        if (held_ == most_held_back) {
            send_held_back();
        }
    }

    /// Writes the header down and counts the request as unanswered, which its range is from here on.
    void begin_request(Command command, Range range) {
        flying_.push_back({range, 0, next_cookie_});
        attempted_ = {range.end(), attempted_.length - range.length};
        RequestHeader{command, next_cookie_++, range}.write_to(headers_.data() + held_ * RequestHeader::size);
        ++held_;
    }

    std::span<const std::byte> held_back() const {
        return std::span<const std::byte>(headers_).first(held_ * RequestHeader::size);
    }

    void send_held_back() {
        if (held_ > 0) {
            link_->stream().write(held_back());
            held_ = 0;
        }
    }

    /// Answers are looked at when half of what may be unanswered is: seldom enough to cost nothing, early enough not to
    /// wait when the server keeps up.
    void make_room(Bytes payload) {
        if (unanswered_bytes_ + payload > most_unanswered_bytes / 2 || flying_.size() >= most_unanswered_requests / 2) {
            take_answers(link_->read_now(answers_space()));
        }
        while (!flying_.empty() &&
               (unanswered_bytes_ + payload > most_unanswered_bytes || flying_.size() >= most_unanswered_requests)) {
            wait_for_answers();
        }
    }

    void answer_all() {
        while (!flying_.empty()) {
            wait_for_answers();
        }
    }

    void wait_for_answers() {
        send_held_back();
        std::size_t got = link_->read_now(answers_space());
        if (got == 0) {
            const Stopwatch stopwatch(answer_wait_);
            got = link_->read_some(answers_space());
        }
        take_answers(got);
    }

    std::span<std::byte> answers_space() { return std::span(answers_).subspan(answers_size_); }

    void take_answers(std::size_t received) {
        answers_size_ += received;
        std::size_t at = 0;
        for (; answers_size_ - at >= ReplyHeader::size; at += ReplyHeader::size) {
            take_answer(ReplyHeader::read_from(std::span(answers_).subspan(at)));
        }
        std::copy(answers_.begin() + static_cast<std::ptrdiff_t>(at),
                  answers_.begin() + static_cast<std::ptrdiff_t>(answers_size_), answers_.begin());
        answers_size_ -= at;
    }

    void take_answer(const ReplyHeader& header) {
        if (header.magic != reply_magic) {
            throw link_->broken_rule(fmt::format("a reply begins with {:#010x}", header.magic));
        }
        const auto found = std::ranges::find(flying_, header.cookie, &Flying::cookie);
        if (found == flying_.end()) {
            throw link_->broken_rule("it answered a request that was not made");
        }
        if (header.error != 0) {
            throw refusal(found->range, header.error);  // and what was refused stays unanswered
        }
        unanswered_bytes_ -= found->payload;
        flying_.erase(found);
    }

    Error refusal(Range range, std::uint32_t error) const {
        const auto code = error == error_no_space   ? ErrorCode::exhausted
                          : error == error_shutdown ? ErrorCode::unavailable
                                                    : ErrorCode::external;
        const auto what = range.length == 0 ? std::string("the flush")
                                            : fmt::format("writing {} bytes at offset {}", range.length, range.offset);
        return Error(code, fmt::format("{} of {} failed: {}", what, link_->peer(), error_text(error)),
                     {.retry_safe = true})
            .with_native(error_text(error));
    }

    const std::shared_ptr<void> keep_;
    const std::unique_ptr<Link> link_;
    std::vector<Flying> flying_;  ///< in the order of acceptance
    Range attempted_;             ///< of the running call, what is not in flying_ yet
    Bytes unanswered_bytes_ = 0;
    std::array<std::byte, (most_held_back + 1) * RequestHeader::size> headers_{};
    std::size_t held_ = 0;
    std::array<std::byte, most_unanswered_requests * ReplyHeader::size> answers_{};
    std::size_t answers_size_ = 0;
    std::uint64_t next_cookie_ = 1;
    Bytes sent_ = 0;
    std::chrono::nanoseconds answer_wait_{0};
};

}  // namespace

std::unique_ptr<WriteChannel> make_write_channel(std::unique_ptr<Link> link, std::shared_ptr<void> keep) {
    return std::make_unique<NbdWriteChannel>(std::move(link), std::move(keep));
}

}  // namespace mk::block::nbd

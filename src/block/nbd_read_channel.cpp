#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <vector>

#include <fmt/core.h>

#include "base/error.hpp"
#include "block/nbd_channels.hpp"
#include "block/nbd_wire.hpp"

namespace mk::block::nbd {
namespace {

/// While data flows, headers of new requests are held back until there are so many; nothing is held back when the
/// channel would wait.
constexpr std::size_t most_held_back = 4;

/// Received bytes that were not used yet, in memory that is used again and again.
class ReceiveBuffer {
  public:
    /// Makes room for replies with payloads of this length.
    void reserve(Bytes payload) {
        if (payload <= payload_) {
            return;
        }
        // Behind the payload, the next header; in front of it, its own, so that the payload begins at a cache line.
        Memory larger(new (alignment) std::byte[payload_at + payload + ReplyHeader::size]);
        if (memory_) {
            std::memcpy(larger.get(), memory_.get(), end_);
        }
        memory_ = std::move(larger);
        payload_ = payload;
    }

    std::span<const std::byte> unused() const { return {memory_.get() + begin_, end_ - begin_}; }
    void use(std::size_t length) { begin_ += length; }

    /// Brings what is unused to where a reply begins. Invalidates what was used.
    void rewind() {
        const std::size_t left = end_ - begin_;
        std::memmove(memory_.get() + header_at, memory_.get() + begin_, left);
        begin_ = header_at;
        end_ = header_at + left;
    }
    /// Where bytes may be received so that at most `total` are unused.
    std::span<std::byte> space(std::size_t total) { return {memory_.get() + end_, total - (end_ - begin_)}; }
    void add(std::size_t received) { end_ += received; }

  private:
    static constexpr std::align_val_t alignment{4096};
    static constexpr std::size_t payload_at = 64;
    static constexpr std::size_t header_at = payload_at - ReplyHeader::size;

    struct Free {
        void operator()(std::byte* memory) const { ::operator delete[](memory, alignment); }
    };
    using Memory = std::unique_ptr<std::byte[], Free>;

    Memory memory_;
    Bytes payload_ = 0;
    std::size_t begin_ = header_at;
    std::size_t end_ = header_at;
};

class NbdReadChannel : public ReadChannel {
  public:
    explicit NbdReadChannel(std::unique_ptr<Link> link) : link_(std::move(link)) {
        flying_.reserve(most_reads_in_flight);
    }

    void request(Range range) override {
        const Bytes capacity = link_->info().capacity;
        if (range.length == 0 || range.length > link_->max_request() || range.offset > capacity ||
            range.length > capacity - range.offset || flying_.size() == most_reads_in_flight) {
            throw Error(ErrorCode::internal, fmt::format("a read of {} bytes at offset {} cannot be asked of {}",
                                                         range.length, range.offset, link_->peer()));
        }
        RequestHeader{Command::read, next_cookie_, range}.write_to(held_back_.data() + held_ * RequestHeader::size);
        ++held_;
        flying_.push_back({range, next_cookie_++});
    }

    Reply receive(const std::stop_token& stop) override {
        Reply reply;
        std::uint32_t error = 0;
        link_->run(stop, [&] { error = receive_next(reply); });
        if (error == error_shutdown) {
            throw Error(ErrorCode::unavailable, link_->peer() + " is shutting down", {.retry_safe = true});
        }
        if (error != 0) {
            const auto text = fmt::format("reading {} bytes at offset {} of {} failed: {}", reply.range.length,
                                          reply.range.offset, link_->peer(), error_text(error));
            throw ReadFailure(Error(ErrorCode::external, text, {.retry_safe = true}).with_native(error_text(error)),
                              reply.range);
        }
        return reply;
    }

    std::size_t in_flight() const override { return flying_.size(); }

  private:
    struct Flying {
        Range range;
        std::uint64_t cookie = 0;
    };

    /// Returns the server's error number.
    std::uint32_t receive_next(Reply& reply) {
        if (flying_.empty()) {
            throw Error(ErrorCode::internal, "no read request is in flight to " + link_->peer());
        }
        const auto shortest = std::ranges::min_element(flying_, {}, &length_of)->range.length;
        const auto longest = std::ranges::max_element(flying_, {}, &length_of)->range.length;
        buffer_.reserve(longest);
        buffer_.rewind();
        fill(ReplyHeader::size, ReplyHeader::size + shortest);
        const auto header = ReplyHeader::read_from(buffer_.unused());
        buffer_.use(ReplyHeader::size);
        reply.range = take(header).range;
        if (header.error != 0) {
            return header.error;
        }
        // With the rest comes the next header, if there will be one: one call instead of two.
        fill(reply.range.length, reply.range.length + (flying_.empty() ? 0 : ReplyHeader::size));
        reply.data = buffer_.unused().first(reply.range.length);
        buffer_.use(reply.range.length);
        return 0;
    }

    static Bytes length_of(const Flying& flying) { return flying.range.length; }

    Flying take(const ReplyHeader& header) {
        if (header.magic != reply_magic) {
            throw link_->broken_rule(fmt::format("a reply begins with {:#010x}", header.magic));
        }
        const auto found = std::ranges::find(flying_, header.cookie, &Flying::cookie);
        if (found == flying_.end()) {
            throw link_->broken_rule("it answered a request that was not made");
        }
        const Flying taken = *found;
        *found = flying_.back();
        flying_.pop_back();
        return taken;
    }

    /// Until at least `needed` bytes are there; takes up to `useful` when they come.
    void fill(std::size_t needed, std::size_t useful) {
        while (buffer_.unused().size() < needed) {
            buffer_.add(read(buffer_.space(useful)));
        }
    }

    std::size_t read(std::span<std::byte> space) {
        if (held_ > 0) {
            const bool may_hold_back = held_ < most_held_back && held_ < flying_.size();
            const std::size_t got = may_hold_back ? link_->read_now(space) : 0;
            if (got > 0) {
                return got;
            }
            link_->stream().write(std::span<const std::byte>(held_back_).first(held_ * RequestHeader::size));
            held_ = 0;
        }
        return link_->read_some(space);
    }

    const std::unique_ptr<Link> link_;
    ReceiveBuffer buffer_;
    std::vector<Flying> flying_;  ///< asked and not answered, those that were held back included
    std::array<std::byte, most_reads_in_flight * RequestHeader::size> held_back_{};
    std::size_t held_ = 0;
    std::uint64_t next_cookie_ = 1;
};

}  // namespace

std::unique_ptr<ReadChannel> make_read_channel(std::unique_ptr<Link> link) {
    return std::make_unique<NbdReadChannel>(std::move(link));
}

}  // namespace mk::block::nbd

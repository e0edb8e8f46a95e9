// What an NBD server may send: negotiation, answers to reads and to writes, in one piece or in small ones. Our client
// must neither crash nor stay, and must never give out another range than was asked or forget one that was not
// answered.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>

#include "base/error.hpp"
#include "block/nbd_channels.hpp"

namespace {

using namespace mk;
using namespace mk::block;

/// The server's bytes, in pieces of at most `piece`; what is written goes nowhere.
class ScriptedStream : public os::ByteStream {
  public:
    ScriptedStream(std::span<const std::byte> script, std::size_t piece) : script_(script), piece_(piece) {}
    using os::ByteStream::write;
    void write(std::span<const std::span<const std::byte>>) override {}
    std::size_t read_some(std::span<std::byte> buffer) override {
        const auto count = std::min({buffer.size(), script_.size(), piece_});
        std::memcpy(buffer.data(), script_.data(), count);
        script_ = script_.subspan(count);
        return count;
    }
    /// Finds something half of the time.
    std::optional<std::size_t> read_now(std::span<std::byte> buffer) override {
        has_arrived_ = !has_arrived_;
        return has_arrived_ ? std::optional(read_some(buffer)) : std::nullopt;
    }
    void set_limit(std::chrono::milliseconds) override {}
    void shut_down() noexcept override {}
    std::chrono::nanoseconds write_wait() const override { return {}; }

  private:
    std::span<const std::byte> script_;
    const std::size_t piece_;
    bool has_arrived_ = false;
};

void expect(bool is_true) {
    if (!is_true) {
        std::abort();
    }
}

/// Sixteen requests of different lengths, as far as the disk reaches.
std::vector<Range> some_ranges(const nbd::Link& link) {
    std::vector<Range> ranges;
    Bytes at = 0;
    for (Bytes i = 0; i < 16; ++i) {
        const Bytes length = std::min<Bytes>(512 * (1 + i * 5 % 16), link.max_request());
        if (at + length > link.info().capacity) {
            break;
        }
        ranges.push_back({at, length});
        at += length;
    }
    return ranges;
}

void read_all(std::unique_ptr<nbd::Link> link) {
    const auto ranges = some_ranges(*link);
    const auto channel = nbd::make_read_channel(std::move(link));
    std::set<Bytes> open;
    for (const Range range : ranges) {
        channel->request(range);
        open.insert(range.offset);
    }
    while (channel->in_flight() > 0) {
        expect(channel->in_flight() == open.size());
        try {
            const auto reply = channel->receive({});
            expect(std::ranges::find(ranges, reply.range) != ranges.end() && open.erase(reply.range.offset) == 1);
            expect(reply.data.size() == reply.range.length);
            // Reads every byte, so that the sanitizer sees what does not belong to the buffer.
            expect(std::ranges::count(reply.data, std::byte{0}) >= 0);
        } catch (const ReadFailure& failure) {
            expect(open.erase(failure.range().offset) == 1);
        }
    }
}

void write_all(std::unique_ptr<nbd::Link> link) {
    const auto ranges = some_ranges(*link);
    const std::vector<std::byte> data(64 * KiB);
    const auto channel = nbd::make_write_channel(std::move(link), nullptr);
    std::size_t accepted = 0;
    try {
        for (const Range range : ranges) {
            ++accepted;
            accepted % 3 == 0 ? channel->zero(range, {})
                              : channel->write(range.offset, std::span(data).first(range.length), {});
        }
        channel->flush({});
        expect(channel->unanswered().empty());
    } catch (const Error&) {
        for (const Range part : channel->unanswered()) {  // a long zero request may be split
            expect(std::ranges::any_of(std::span(ranges).first(accepted), [&](const Range& range) {
                return range.offset <= part.offset && part.end() <= range.end();
            }));
        }
        throw;
    }
}

}  // namespace

/// The first byte tells the size of the pieces, and whether it is read or written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const auto script = std::as_bytes(std::span(data, size)).subspan(1);
    const std::size_t piece = data[0] % 128 == 127 ? ~std::size_t{0} : data[0] % 128 + 1;
    const NbdEndpoint endpoint{"disk", "the fuzzer",
                               [&](const std::stop_token&) { return std::make_unique<ScriptedStream>(script, piece); }};
    try {
        auto link = std::make_unique<nbd::Link>(endpoint, NbdOptions{}, std::stop_token{});
        data[0] < 128 ? read_all(std::move(link)) : write_all(std::move(link));
    } catch (const Error& error) {
        expect(error.code() != ErrorCode::internal);
    }
    return 0;
}

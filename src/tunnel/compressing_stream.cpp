#include "tunnel/compressing_stream.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <zstd.h>

#include "base/error.hpp"
#include "tunnel/compression_policy.hpp"
#include "tunnel/frames.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::steady_clock;
using Piece = std::span<const std::byte>;

/// Below it there is nothing to win: requests and replies without payload.
constexpr std::size_t smallest_compressed = 1 * KiB;

void check(std::size_t result) {
    if (ZSTD_isError(result) != 0) {
        throw Error(ErrorCode::internal, std::string("zstd: ") + ZSTD_getErrorName(result));
    }
}

/// One zstd frame of several pieces; the context and the buffer are used again and again.
class Packer {
  public:
    /// Valid until the next call.
    Piece pack(std::span<const Piece> pieces, std::size_t size, int level) {
        if (!context_) {
            context_.reset(ZSTD_createCCtx());
            packed_.resize(ZSTD_compressBound(largest_frame));
        }
        if (!context_) {
            throw Error(ErrorCode::exhausted, "there is no memory for compressing");
        }
        check(ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_only));
        check(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level));
        check(ZSTD_CCtx_setPledgedSrcSize(context_.get(), size));
        ZSTD_outBuffer out{packed_.data(), packed_.size(), 0};
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            ZSTD_inBuffer in{pieces[i].data(), pieces[i].size(), 0};
            const auto mode = i + 1 == pieces.size() ? ZSTD_e_end : ZSTD_e_continue;
            std::size_t left = 0;
            do {
                left = ZSTD_compressStream2(context_.get(), &out, &in, mode);
                check(left);
            } while (mode == ZSTD_e_end ? left != 0 : in.pos < in.size);
        }
        return {packed_.data(), out.pos};
    }

  private:
    struct ContextDeleter {
        void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
    };
    std::unique_ptr<ZSTD_CCtx, ContextDeleter> context_;
    std::vector<std::byte> packed_;
};

class Compressing final : public os::ByteStream {
  public:
    explicit Compressing(std::unique_ptr<os::ByteStream> lower) : lower_(std::move(lower)) {}

    void write(std::span<const Piece> pieces) override {
        std::vector<Piece> frame{{}};  // the first place is the header's
        std::size_t size = 0;
        for (auto piece : pieces) {
            while (!piece.empty()) {
                const auto part = piece.first(std::min(piece.size(), largest_frame - size));
                frame.push_back(part);
                size += part.size();
                piece = piece.subspan(part.size());
                if (size == largest_frame) {
                    send(frame, std::exchange(size, 0));
                    frame.resize(1);
                }
            }
        }
        if (size > 0) {
            send(frame, size);
        }
    }

    std::size_t read_some(std::span<std::byte> buffer) override {
        return reader_.read(*lower_, buffer, true).value_or(0);
    }
    std::optional<std::size_t> read_now(std::span<std::byte> buffer) override {
        return reader_.read(*lower_, buffer, false);
    }
    void set_limit(std::chrono::milliseconds limit) override { lower_->set_limit(limit); }
    void shut_down() noexcept override { lower_->shut_down(); }
    std::chrono::nanoseconds write_wait() const override { return lower_->write_wait(); }

  private:
    void send(std::vector<Piece>& frame, std::size_t size) {
        if (size < smallest_compressed) {
            send_raw(frame, size);
            return;
        }
        CompressionPolicy::Sample sample{.payload = size, .on_wire = size};
        const auto wait_before = lower_->write_wait();
        if (policy_.level() > 0) {
            const auto begun = steady_clock::now();
            const auto packed = packer_.pack(std::span(frame).subspan(1), size, policy_.level());
            sample.compressing = steady_clock::now() - begun;
            sample.on_wire = std::min(packed.size(), size);
            if (packed.size() < size) {
                send_packed(packed, size);
            } else {
                send_raw(frame, size);
            }
        } else {
            send_raw(frame, size);
        }
        const auto now = steady_clock::now();
        sample.elapsed = now - std::exchange(last_sent_, now);
        sample.wait = lower_->write_wait() - wait_before;
        policy_.add(sample);
    }

    void send_raw(std::vector<Piece>& frame, std::size_t size) {
        const auto length = static_cast<std::uint32_t>(size);
        const auto header = FrameHeader{.kind = FrameKind::raw, .on_wire = length, .unpacked = length}.encoded();
        frame[0] = header;
        lower_->write(frame);
    }

    void send_packed(Piece packed, std::size_t size) {
        const auto header = FrameHeader{.kind = FrameKind::zstd,
                                        .on_wire = static_cast<std::uint32_t>(packed.size()),
                                        .unpacked = static_cast<std::uint32_t>(size)}
                                .encoded();
        const std::array<Piece, 2> frame{header, packed};
        lower_->write(frame);
    }

    std::unique_ptr<os::ByteStream> lower_;
    FrameReader reader_;
    Packer packer_;
    CompressionPolicy policy_;
    steady_clock::time_point last_sent_ = steady_clock::now();
};

}  // namespace

std::unique_ptr<os::ByteStream> compressing(std::unique_ptr<os::ByteStream> lower) {
    return std::make_unique<Compressing>(std::move(lower));
}

}  // namespace mk::tunnel

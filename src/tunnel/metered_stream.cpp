#include "tunnel/metered_stream.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What is taken from the bucket at once: small against a second of any sensible limit.
constexpr std::size_t portion = 64 * KiB;

class Metered final : public os::ByteStream {
  public:
    Metered(std::unique_ptr<os::ByteStream> lower, std::shared_ptr<TokenBucket> bucket,
            std::shared_ptr<Traffic> traffic)
        : lower_(std::move(lower)), bucket_(std::move(bucket)), traffic_(std::move(traffic)) {}

    void write(std::span<const std::span<const std::byte>> pieces) override {
        watched([&] { write_pieces(pieces); });
    }
    std::size_t read_some(std::span<std::byte> buffer) override {
        const auto got = watched([&] { return lower_->read_some(buffer); });
        traffic_->received += got;
        return got;
    }
    std::optional<std::size_t> read_now(std::span<std::byte> buffer) override {
        const auto got = watched([&] { return lower_->read_now(buffer); });
        traffic_->received += got.value_or(0);
        return got;
    }
    void set_limit(milliseconds limit) override { lower_->set_limit(limit); }
    void shut_down() noexcept override {
        stop_.request_stop();
        lower_->shut_down();
    }
    std::chrono::nanoseconds write_wait() const override { return lower_->write_wait() + bucket_wait_; }

  private:
    /// Counts the first failure.
    template <class Action>
    std::invoke_result_t<Action> watched(Action&& action) {
        try {
            return std::forward<Action>(action)();
        } catch (const Error&) {
            traffic_->cuts += std::exchange(is_cut_, true) ? 0 : 1;
            throw;
        }
    }

    void write_pieces(std::span<const std::span<const std::byte>> pieces) {
        if (!bucket_ || bucket_->rate() == 0) {
            lower_->write(pieces);
            for (const auto piece : pieces) {
                traffic_->sent += piece.size();
            }
            return;
        }
        std::vector<std::span<const std::byte>> part;
        std::size_t size = 0;
        for (auto piece : pieces) {
            while (!piece.empty()) {
                const auto some = piece.first(std::min(piece.size(), portion - size));
                part.push_back(some);
                size += some.size();
                piece = piece.subspan(some.size());
                if (size == portion) {
                    write_part(part, std::exchange(size, 0));
                    part.clear();
                }
            }
        }
        if (size > 0) {
            write_part(part, size);
        }
    }

    void write_part(std::span<const std::span<const std::byte>> part, std::size_t size) {
        const auto begun = steady_clock::now();
        bucket_->take(size, stop_.get_token());
        bucket_wait_ += steady_clock::now() - begun;
        lower_->write(part);  // fails at once when take() ended because of shut_down()
        traffic_->sent += size;
    }

    std::unique_ptr<os::ByteStream> lower_;
    std::shared_ptr<TokenBucket> bucket_;
    std::shared_ptr<Traffic> traffic_;
    std::stop_source stop_;
    std::chrono::nanoseconds bucket_wait_{0};
    bool is_cut_ = false;
};

}  // namespace

std::unique_ptr<os::ByteStream> metered(std::unique_ptr<os::ByteStream> lower, std::shared_ptr<TokenBucket> bucket,
                                        std::shared_ptr<Traffic> traffic) {
    if (!traffic) {
        traffic = std::make_shared<Traffic>();
    }
    return std::make_unique<Metered>(std::move(lower), std::move(bucket), std::move(traffic));
}

}  // namespace mk::tunnel

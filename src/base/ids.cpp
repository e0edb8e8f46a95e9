#include "base/ids.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>

#include <fmt/core.h>
#include <openssl/rand.h>

#include "base/error.hpp"

namespace mk {
namespace {

constexpr std::uint64_t largest_counter = 0xfff;  // rand_a of RFC 9562 section 5.7: 12 bits

/// Hands out (millisecond, counter) pairs that always rise, also when the clock is turned back (RFC 9562 section 6.2,
/// method 1).
class Sequence {
  public:
    std::pair<std::uint64_t, std::uint64_t> next(std::uint64_t now_ms, std::uint64_t seed) {
        const std::lock_guard lock(mutex_);
        if (now_ms > last_ms_) {
            last_ms_ = now_ms;
            counter_ = seed & (largest_counter >> 1);  // half the range is kept free for this millisecond
        } else if (counter_ == largest_counter) {
            ++last_ms_;
            counter_ = seed & (largest_counter >> 1);
        } else {
            ++counter_;
        }
        return {last_ms_, counter_};
    }

  private:
    std::mutex mutex_;
    std::uint64_t last_ms_ = 0;
    std::uint64_t counter_ = 0;
};

std::uint64_t random_word() {
    std::array<unsigned char, 8> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        throw Error(ErrorCode::internal, "the random generator gave no bytes for an identifier");
    }
    std::uint64_t word = 0;
    for (const unsigned char byte : bytes) {
        word = word << 8 | byte;
    }
    return word;
}

}  // namespace

std::string new_uuid() {
    static Sequence sequence;
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
    const auto [ms, counter] = sequence.next(static_cast<std::uint64_t>(now_ms), random_word());
    const std::uint64_t tail = random_word();
    const std::uint64_t variant = 0x8000 | (tail >> 48 & 0x3fff);
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", ms >> 16 & 0xffffffff, ms & 0xffff, 0x7000 | counter,
                       variant, tail & 0xffffffffffff);
}

}  // namespace mk

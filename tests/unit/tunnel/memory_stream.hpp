#pragma once
// A stream that reads from given bytes, in portions of a given size, and keeps what was written.

#include <algorithm>
#include <cstring>
#include <vector>

#include "os/byte_stream.hpp"

namespace mk::test {

class MemoryStream : public os::ByteStream {
  public:
    MemoryStream() = default;
    explicit MemoryStream(std::vector<std::byte> input, std::size_t portion = 1'000'000)
        : input_(std::move(input)), portion_(portion) {}

    void write(std::span<const std::span<const std::byte>> pieces) override {
        ++writes;
        for (const auto piece : pieces) {
            written.insert(written.end(), piece.begin(), piece.end());
        }
        wait_ += wait_per_write;
    }
    std::size_t read_some(std::span<std::byte> buffer) override {
        const auto size = std::min({buffer.size(), portion_, input_.size() - position_});
        if (size > 0) {
            std::memcpy(buffer.data(), input_.data() + position_, size);
        }
        position_ += size;
        return size;
    }
    /// Every other call finds nothing.
    std::optional<std::size_t> read_now(std::span<std::byte> buffer) override {
        is_dry_ = !is_dry_;
        return is_dry_ ? std::nullopt : std::optional(read_some(buffer));
    }
    void set_limit(std::chrono::milliseconds /*limit*/) override {}
    void shut_down() noexcept override { is_shut_down = true; }
    std::chrono::nanoseconds write_wait() const override { return wait_; }

    std::vector<std::byte> written;
    int writes = 0;
    bool is_shut_down = false;
    std::chrono::nanoseconds wait_per_write{0};

  private:
    std::vector<std::byte> input_;
    std::size_t portion_ = 1'000'000;
    std::size_t position_ = 0;
    bool is_dry_ = false;
    std::chrono::nanoseconds wait_{0};
};

}  // namespace mk::test

// The compressed stream of mk-nbd-zstd/1 as a peer may send it. Reading ends with data, an end or Error{corrupt}; how
// the bytes are portioned makes no difference to what is read.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "tunnel/frames.hpp"

namespace {

using namespace mk;

class ScriptedStream : public os::ByteStream {
  public:
    ScriptedStream(std::span<const std::byte> script, std::size_t portion) : script_(script), portion_(portion) {}
    void write(std::span<const std::span<const std::byte>>) override {}
    std::size_t read_some(std::span<std::byte> buffer) override {
        const auto count = std::min({buffer.size(), script_.size(), portion_});
        if (count > 0) {
            std::memcpy(buffer.data(), script_.data(), count);
        }
        script_ = script_.subspan(count);
        return count;
    }
    /// Every other call finds nothing.
    std::optional<std::size_t> read_now(std::span<std::byte> buffer) override {
        is_dry_ = !is_dry_;
        return is_dry_ ? std::nullopt : std::optional(read_some(buffer));
    }
    void set_limit(std::chrono::milliseconds) override {}
    void shut_down() noexcept override {}
    std::chrono::nanoseconds write_wait() const override { return {}; }

  private:
    std::span<const std::byte> script_;
    const std::size_t portion_;
    bool is_dry_ = false;
};

struct Result {
    std::vector<std::byte> data;
    bool is_corrupt = false;
    bool operator==(const Result&) const = default;
};

Result read_all(std::span<const std::byte> script, std::size_t portion, std::size_t buffer_size, bool is_waiting) {
    ScriptedStream stream(script, portion);
    tunnel::FrameReader reader;
    Result result;
    std::vector<std::byte> buffer(buffer_size);
    try {
        while (result.data.size() < 8 * MiB) {  // a few bytes may unpack to very many
            const auto got = reader.read(stream, buffer, is_waiting);
            if (got && *got == 0) {
                break;
            }
            result.data.insert(result.data.end(), buffer.begin(),
                               buffer.begin() + static_cast<std::ptrdiff_t>(got.value_or(0)));
        }
    } catch (const Error& error) {
        if (error.code() != ErrorCode::corrupt) {
            std::abort();
        }
        result.is_corrupt = true;
    }
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto script = std::as_bytes(std::span(data, size));
    const auto whole = read_all(script, ~std::size_t{0}, 64 * KiB, true);
    if (whole.data.size() < 8 * MiB && read_all(script, 7, 1000, false) != whole) {
        std::abort();
    }
    return 0;
}

// What a client of the export server may send: negotiation and requests, in one piece or in small ones. The server must
// neither crash nor stay, and must never hand its backend a range beyond the disk.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "target/volumes/nbd_server.hpp"

namespace {

using namespace mk;

/// The client's bytes, in pieces whose size the first of them tells; what is written goes nowhere.
class ScriptedStream : public os::ByteStream {
  public:
    explicit ScriptedStream(std::span<const std::byte> script)
        : script_(script.empty() ? script : script.subspan(1)),
          piece_(script.empty() || script[0] == std::byte{0} ? ~std::size_t{0}
                                                             : std::to_integer<std::size_t>(script[0])) {}
    void write(std::span<const std::span<const std::byte>>) override {}
    std::size_t read_some(std::span<std::byte> buffer) override {
        const auto count = std::min({buffer.size(), script_.size(), piece_});
        std::memcpy(buffer.data(), script_.data(), count);
        script_ = script_.subspan(count);
        return count;
    }
    void set_limit(std::chrono::milliseconds) override {}
    void shut_down() noexcept override {}
    std::chrono::nanoseconds write_wait() const override { return {}; }

  private:
    std::span<const std::byte> script_;
    const std::size_t piece_;
};

class CheckingBackend : public volumes::ExportBackend {
  public:
    Bytes size() const override { return disk_size; }
    void read(Bytes offset, std::span<std::byte> buffer) override {
        check({offset, buffer.size()});
        std::ranges::fill(buffer, std::byte{1});
    }
    void write(Bytes offset, std::span<const std::byte> data) override {
        check({offset, data.size()});
        for (const auto byte : data) {
            sum_ += std::to_integer<unsigned>(byte);  // touches every byte
        }
    }
    void zero(Range range, bool) override { check(range); }
    void flush() override {}
    std::vector<volumes::ContentExtent> extents(Range range, std::size_t) override {
        check(range);
        return {{range, false}};
    }
    std::string instance() const override { return "fuzz"; }

  private:
    static constexpr Bytes disk_size = 3 * MiB + 512;
    static void check(Range range) {
        if (range.offset > disk_size || range.length > disk_size - range.offset) {
            std::abort();
        }
    }
    unsigned sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static volumes::ExportRegistry exports;
    static const bool is_ready = [] {
        exports.add("e", std::make_shared<CheckingBackend>());
        return true;
    }();
    (void)is_ready;
    ScriptedStream stream(std::as_bytes(std::span(data, size)));
    try {
        volumes::serve_nbd_client(stream, exports, [] {});
    } catch (const Error&) {
        // a stream that ends in the middle
    }
    return 0;
}

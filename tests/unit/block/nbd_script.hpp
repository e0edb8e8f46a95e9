#pragma once
// An NBD server as a list of bytes, written down in advance: what it says does not depend on what it is asked. The
// client's cookies are 1, 2, 3 and so on.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "block/nbd.hpp"
#include "block/nbd_wire.hpp"
#include "os/byte_stream.hpp"

namespace mk::test {

/// Appends records as a server sends them.
class NbdScript {
  public:
    static constexpr std::uint16_t usual_flags =
        1 | block::nbd::flag_send_flush | block::nbd::flag_send_write_zeroes | block::nbd::flag_can_multi_conn;

    template <typename Number>
    NbdScript& number(Number value) {
        bytes_.resize(bytes_.size() + sizeof value);
        block::nbd::put(bytes_.data() + bytes_.size() - sizeof value, value);
        return *this;
    }
    NbdScript& text(std::string_view text) {
        const auto bytes = std::as_bytes(std::span(text));
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    NbdScript& greeting(std::uint16_t flags = 3) {
        return number(block::nbd::magic).number(block::nbd::option_magic).number(flags);
    }
    NbdScript& option_reply(std::uint32_t type, const NbdScript& data, std::uint32_t option = block::nbd::option_go) {
        number(block::nbd::option_reply_magic).number(option).number(type);
        number(static_cast<std::uint32_t>(data.bytes_.size()));
        bytes_.insert(bytes_.end(), data.bytes_.begin(), data.bytes_.end());
        return *this;
    }
    NbdScript& export_info(Bytes size, std::uint16_t flags = usual_flags) {
        return option_reply(block::nbd::reply_info,
                            NbdScript().number(block::nbd::info_export).number(size).number(flags));
    }
    NbdScript& block_size(std::uint32_t minimum, std::uint32_t maximum) {
        return option_reply(block::nbd::reply_info, NbdScript()
                                                        .number(block::nbd::info_block_size)
                                                        .number(minimum)
                                                        .number(std::uint32_t{4096})
                                                        .number(maximum));
    }
    NbdScript& description(std::string_view words) {
        return option_reply(block::nbd::reply_info, NbdScript().number(block::nbd::info_description).text(words));
    }
    NbdScript& ack() { return option_reply(block::nbd::reply_ack, {}); }
    /// All of a usual negotiation.
    NbdScript& opened(Bytes size, std::uint16_t flags = usual_flags) {
        return greeting().export_info(size, flags).ack();
    }
    NbdScript& reply(std::uint64_t cookie, std::uint32_t error = 0, std::string_view payload = {}) {
        return number(block::nbd::reply_magic).number(error).number(cookie).text(payload);
    }

    const std::vector<std::byte>& bytes() const { return bytes_; }

  private:
    std::vector<std::byte> bytes_;
};

/// Says what was written down, at most `piece` bytes at a time, then ends; takes whatever it is sent.
class ScriptedStream : public os::ByteStream {
  public:
    explicit ScriptedStream(std::vector<std::byte> script, std::size_t piece = 1 << 20,
                            std::shared_ptr<std::vector<std::byte>> heard = {})
        : script_(std::move(script)), piece_(piece), heard_(std::move(heard)) {}

    using os::ByteStream::write;
    void write(std::span<const std::span<const std::byte>> pieces) override {
        for (const auto piece : pieces) {
            if (heard_) {
                heard_->insert(heard_->end(), piece.begin(), piece.end());
            }
        }
    }
    std::size_t read_some(std::span<std::byte> buffer) override {
        const std::size_t length = std::min({buffer.size(), piece_, script_.size() - at_});
        std::copy_n(script_.begin() + static_cast<std::ptrdiff_t>(at_), length, buffer.begin());
        at_ += length;
        return length;
    }
    void set_limit(std::chrono::milliseconds) override {}
    void shut_down() noexcept override {}
    std::chrono::nanoseconds write_wait() const override { return {}; }

  private:
    std::vector<std::byte> script_;
    std::size_t piece_;
    std::size_t at_ = 0;
    std::shared_ptr<std::vector<std::byte>> heard_;
};

/// Dials say one script after the other; the last one again and again.
inline block::NbdEndpoint scripted_endpoint(std::vector<NbdScript> scripts, std::size_t piece = 1 << 20,
                                            std::shared_ptr<std::vector<std::byte>> heard = {}) {
    auto number = std::make_shared<std::size_t>(0);
    return {"disk", "the scripted server",
            [scripts = std::move(scripts), piece, heard, number](const std::stop_token&) {
                const auto& script = scripts[std::min((*number)++, scripts.size() - 1)];
                return std::make_unique<ScriptedStream>(script.bytes(), piece, heard);
            }};
}

}  // namespace mk::test

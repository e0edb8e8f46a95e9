#include "block/nbd_negotiation.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include <fmt/core.h>

#include "base/error.hpp"
#include "block/nbd_wire.hpp"

namespace mk::block::nbd {
namespace {

using std::chrono::steady_clock;

/// A server has four things to tell and may tell some twice; one that goes on does not mean well.
constexpr int most_replies = 32;
/// Two bytes of type and one string are the longest information; errors carry a string.
constexpr std::size_t longest_reply = longest_string + 64;
constexpr std::size_t shown_text = 200;
/// Offsets must stay below this in every language that a server may be written in.
constexpr Bytes largest_capacity = Bytes{1} << 62;

/// What a server says may be shown, but not believed to be text.
std::string shown(std::span<const std::byte> data) {
    std::string text;
    for (const std::byte byte : data.first(std::min(data.size(), shown_text))) {
        const char c = static_cast<char>(byte);
        text += c >= ' ' && c <= '~' ? c : '?';
    }
    return text.empty() ? "no reason given" : text;
}

class Negotiation {
  public:
    Negotiation(os::ByteStream& stream, const std::string& peer, std::chrono::milliseconds limit)
        : stream_(stream), peer_(peer), deadline_(steady_clock::now() + limit) {}

    Export run(const std::string& export_name) {
        greet();
        ask(export_name);
        for (int i = 0; i < most_replies; ++i) {
            if (take_reply()) {
                return finish();
            }
        }
        throw corrupt("its list of answers to one question does not end");
    }

  private:
    struct Reply {
        std::uint32_t type = 0;
        std::span<const std::byte> data;
    };

    Error corrupt(const std::string& what) const {
        return Error(ErrorCode::corrupt, fmt::format("{} does not speak NBD: {}", peer_, what),
                     {.remedy = "Check that the address is right and what listens there."});
    }

    /// The whole exchange has one limit: a server that sends a byte now and then does not hold us.
    void read(std::span<std::byte> buffer) {
        while (!buffer.empty()) {
            if (steady_clock::now() > deadline_) {
                throw Error(ErrorCode::timeout, peer_ + " does not come to an end with the NBD negotiation",
                            {.retry_safe = true});
            }
            const std::size_t got = stream_.read_some(buffer);
            if (got == 0) {
                throw Error(ErrorCode::unavailable, peer_ + " closed the connection during the NBD negotiation",
                            {.retry_safe = true});
            }
            buffer = buffer.subspan(got);
        }
    }

    void greet() {
        std::array<std::byte, 18> greeting{};
        read(greeting);
        if (get<std::uint64_t>(greeting) != magic) {
            throw corrupt("it greets with something else");
        }
        const auto style = get<std::uint64_t>(greeting, 8);
        const auto flags = get<std::uint16_t>(greeting, 16);
        if (style == oldstyle_magic || (style == option_magic && (flags & handshake_fixed_newstyle) == 0)) {
            throw too_old();
        }
        if (style != option_magic) {
            throw corrupt("its greeting has an unknown style");
        }
        std::array<std::byte, 4> answer{};
        put<std::uint32_t>(answer.data(), handshake_fixed_newstyle | (flags & handshake_no_zeroes));
        stream_.write(answer);
    }

    Error too_old() const {
        return Error(ErrorCode::conflict, peer_ + " speaks an old NBD protocol that cannot tell errors",
                     {.remedy = "Use a server with the fixed newstyle protocol and NBD_OPT_GO."});
    }

    void ask(const std::string& name) {
        if (name.size() > longest_string) {
            throw Error(ErrorCode::invalid, "the name of the NBD export is too long");
        }
        constexpr std::array wanted{info_block_size, info_description};
        const std::size_t length = 4 + name.size() + 2 + 2 * wanted.size();
        std::vector<std::byte> option(16 + length);
        std::byte* at = option.data();
        put(at, option_magic);
        put(at + 8, option_go);
        put(at + 12, static_cast<std::uint32_t>(length));
        put(at + 16, static_cast<std::uint32_t>(name.size()));
        std::ranges::copy(std::as_bytes(std::span(name)), at + 20);
        at += 20 + name.size();
        put(at, static_cast<std::uint16_t>(wanted.size()));
        for (const std::uint16_t info : wanted) {
            put(at += 2, info);
        }
        stream_.write(option);
    }

    /// True for the last one.
    bool take_reply() {
        const Reply reply = read_reply();
        if (reply.type == reply_ack) {
            return true;
        }
        if ((reply.type & reply_error_bit) != 0) {
            throw refusal(reply);
        }
        if (reply.type != reply_info || reply.data.size() < 2) {
            throw corrupt(fmt::format("its answer has the unknown type {} or is too short", reply.type));
        }
        take_info(get<std::uint16_t>(reply.data), reply.data.subspan(2));
        return false;
    }

    Reply read_reply() {
        std::array<std::byte, 20> header{};
        read(header);
        if (get<std::uint64_t>(header) != option_reply_magic || get<std::uint32_t>(header, 8) != option_go) {
            throw corrupt("it answers something that was not asked");
        }
        const auto length = get<std::uint32_t>(header, 16);
        if (length > longest_reply) {
            throw corrupt(fmt::format("it announces an answer of {} bytes", length));
        }
        data_.resize(length);
        read(data_);
        return {get<std::uint32_t>(header, 12), data_};
    }

    void take_info(std::uint16_t kind, std::span<const std::byte> data) {
        if (kind == info_export) {
            expect_length(data, 10);
            export_.capacity = get<std::uint64_t>(data);
            export_.flags = get<std::uint16_t>(data, 8);
            has_export_ = true;
            if (export_.capacity > largest_capacity) {
                throw corrupt(fmt::format("it claims a size of {} bytes", export_.capacity));
            }
        } else if (kind == info_block_size) {
            expect_length(data, 12);
            export_.min_request = get<std::uint32_t>(data);
            export_.max_request = get<std::uint32_t>(data, 8);
            if (export_.min_request == 0 || export_.max_request < export_.min_request) {
                throw corrupt(
                    fmt::format("it takes requests of {} to {} bytes", export_.min_request, export_.max_request));
            }
        } else if (kind == info_description) {
            export_.description.clear();
            std::ranges::transform(data, std::back_inserter(export_.description),
                                   [](std::byte byte) { return static_cast<char>(byte); });
        }
        // Anything else was not asked for and may be ignored.
    }

    void expect_length(std::span<const std::byte> data, std::size_t length) const {
        if (data.size() != length) {
            throw corrupt(fmt::format("an information has {} bytes instead of {}", data.size(), length));
        }
    }

    Error refusal(const Reply& reply) const {
        const std::string words = shown(reply.data);
        switch (reply.type) {
            case reply_unknown_export:
                return Error(ErrorCode::not_found, fmt::format("{} has no such export ({})", peer_, words));
            case reply_policy:
                return Error(ErrorCode::forbidden, fmt::format("{} does not allow the export ({})", peer_, words));
            case reply_unsupported:
                return too_old();
            case reply_tls_required:
                return Error(ErrorCode::conflict, peer_ + " wants TLS inside of NBD",
                             {.remedy = "Use the tunnel, or an export without NBD's own TLS."});
            case reply_shutdown:
                return Error(ErrorCode::unavailable, peer_ + " is shutting down", {.retry_safe = true});
            default:
                return Error(ErrorCode::external,
                             fmt::format("{} refuses the export with {:#x} ({})", peer_, reply.type, words));
        }
    }

    Export finish() {
        if (!has_export_) {
            throw corrupt("it agreed without telling the size");
        }
        return std::move(export_);
    }

    os::ByteStream& stream_;
    const std::string& peer_;
    const steady_clock::time_point deadline_;
    std::vector<std::byte> data_;
    Export export_;
    bool has_export_ = false;
};

}  // namespace

Export negotiate(os::ByteStream& stream, const std::string& export_name, const std::string& peer,
                 std::chrono::milliseconds limit) {
    return Negotiation(stream, peer, limit).run(export_name);
}

}  // namespace mk::block::nbd

#pragma once
// A raw connection to an NBD server, for what no decent client sends.

#include <array>
#include <optional>
#include <string>

#include "os/byte_stream.hpp"
#include "target/volumes/nbd_protocol.hpp"

namespace mk::volumes::test_support {

class RawNbdClient {
  public:
    /// Connects and answers the hello.
    explicit RawNbdClient(std::uint16_t port)
        : RawNbdClient(os::connect_tcp("127.0.0.1", port, std::chrono::seconds{10})) {}
    explicit RawNbdClient(std::unique_ptr<os::ByteStream> stream) : stream_(std::move(stream)) {
        text(18);
        std::string flags;
        nbd::put_big(flags, std::uint32_t{3});
        send(flags);
    }

    void send(const std::string& data) { stream_->write(std::as_bytes(std::span(data.data(), data.size()))); }
    std::string text(std::size_t length) {
        std::string data(length, '\0');
        stream_->read(std::as_writable_bytes(std::span(data.data(), data.size())));
        return data;
    }
    template <class Number>
    Number number() {
        std::array<std::byte, sizeof(Number)> bytes{};
        stream_->read(bytes);
        return nbd::Cursor{bytes}.number<Number>();
    }
    /// True when the server has closed the connection.
    bool is_cut() {
        std::array<std::byte, 1> byte{};
        try {
            return stream_->read_some(byte) == 0;
        } catch (const Error& error) {
            return error.code() == ErrorCode::unavailable;
        }
    }
    void leave() { stream_.reset(); }

    void option(std::uint32_t option, const std::string& data, std::optional<std::uint32_t> length = {}) {
        std::string head("IHAVEOPT");
        nbd::put_big(head, option);
        nbd::put_big(head, length.value_or(static_cast<std::uint32_t>(data.size())));
        send(head + data);
    }
    struct OptionReply {
        std::uint32_t type = 0;
        std::string payload;
    };
    OptionReply option_reply() {
        text(12);
        OptionReply reply;
        reply.type = number<std::uint32_t>();
        reply.payload = text(number<std::uint32_t>());
        return reply;
    }
    /// By the old option: size and flags, then transmission.
    void enter(const std::string& name = "session") {
        option(nbd::option_export_name, name);
        text(10);
    }
    static std::string request_head(std::uint16_t command, Bytes offset, std::uint32_t length, std::uint16_t flags = 0,
                                    std::uint64_t cookie = 42) {
        std::string head;
        nbd::put_big(head, nbd::request_magic);
        nbd::put_big(head, flags);
        nbd::put_big(head, command);
        nbd::put_big(head, cookie);
        nbd::put_big(head, offset);
        nbd::put_big(head, length);
        return head;
    }
    void request(std::uint16_t command, Bytes offset, std::uint32_t length, std::uint16_t flags = 0) {
        send(request_head(command, offset, length, flags));
    }
    struct Reply {
        std::uint32_t error = 0;
        std::uint64_t cookie = 0;
        bool operator==(const Reply&) const = default;
    };
    /// A simple one; its data is left in the stream.
    Reply reply() {
        if (number<std::uint32_t>() != nbd::reply_magic) {
            throw Error(ErrorCode::corrupt, "this is no simple reply");
        }
        Reply reply;
        reply.error = number<std::uint32_t>();
        reply.cookie = number<std::uint64_t>();
        return reply;
    }
    std::uint32_t error() { return reply().error; }
    struct Chunk {
        std::uint16_t flags = 0;
        std::uint16_t type = 0;
        std::string payload;
    };
    Chunk chunk() {
        if (number<std::uint32_t>() != nbd::chunk_magic) {
            throw Error(ErrorCode::corrupt, "this is no chunk");
        }
        Chunk chunk;
        chunk.flags = number<std::uint16_t>();
        chunk.type = number<std::uint16_t>();
        number<std::uint64_t>();
        chunk.payload = text(number<std::uint32_t>());
        return chunk;
    }

  private:
    std::unique_ptr<os::ByteStream> stream_;
};

}  // namespace mk::volumes::test_support

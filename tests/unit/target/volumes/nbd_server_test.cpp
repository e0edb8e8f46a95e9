// The server as libnbd sees it; nbdcopy, nbdinfo and qemu-img are tried in tests/integration/volumes.

#include "target/volumes/nbd_server.hpp"

#include <atomic>
#include <cstring>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/nbd.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "target/volumes/socket_stream.hpp"

namespace mk::volumes {
namespace {

using test::code_of;

class MemoryBackend : public ExportBackend {
  public:
    explicit MemoryBackend(Bytes size) : content(size) {}
    Bytes size() const override { return content.size(); }
    void read(Bytes offset, std::span<std::byte> buffer) override {
        std::memcpy(buffer.data(), content.data() + offset, buffer.size());
    }
    void write(Bytes offset, std::span<const std::byte> data) override {
        if (fail_with) {
            throw Error(*fail_with, "written to fail");
        }
        std::memcpy(content.data() + offset, data.data(), data.size());
    }
    void zero(Range range, bool) override { std::memset(content.data() + range.offset, 0, range.length); }
    void flush() override { ++flushes; }

    std::vector<std::byte> content;
    std::atomic<int> flushes{0};
    std::optional<ErrorCode> fail_with;
};

struct Served {
    std::shared_ptr<MemoryBackend> backend = std::make_shared<MemoryBackend>(40 * MiB + 512);
    NbdServer server{NbdServerOptions{.address = "127.0.0.1", .port = 0, .socket = "", .max_connections = 4}};
    Served() { server.add_export("session", backend); }
};

TEST(NbdServer, WritesReadsZeroesAndFlushes) {
    Served served;
    const auto sink = block::open_nbd_sink(served.server.uri_of("session"));
    EXPECT_EQ(sink->capacity(), 40 * MiB + 512);
    EXPECT_EQ(sink->max_request(), 32 * MiB);
    const std::vector<std::byte> data(32 * MiB, std::byte{7});
    sink->write(512, data, {});
    sink->zero({1024, 40 * MiB - 1024}, {});
    sink->flush({});
    EXPECT_EQ(served.backend->content[600], std::byte{7});
    EXPECT_EQ(served.backend->content[1024], std::byte{0});
    EXPECT_EQ(served.backend->flushes, 1);
    std::vector<std::byte> back(512);
    block::open_nbd_source(served.server.uri_of("session"))->read(512, back, {});
    EXPECT_EQ(back, std::vector<std::byte>(512, std::byte{7}));
}

TEST(NbdServer, OffersExactlyWhatWasAdded) {
    Served served;
    EXPECT_EQ(code_of([&] { block::open_nbd_sink(served.server.uri_of("other")); }), ErrorCode::not_found);
    EXPECT_EQ(code_of([&] { served.server.add_export("session", served.backend); }), ErrorCode::conflict);
    served.server.remove_export("session");
    EXPECT_FALSE(served.server.has_export("session"));
    EXPECT_EQ(code_of([&] { block::open_nbd_sink(served.server.uri_of("session")); }), ErrorCode::not_found);
}

TEST(NbdServer, CutsTheConnectionsOfARemovedExport) {
    Served served;
    const auto sink = block::open_nbd_sink(served.server.uri_of("session"));
    const std::vector<std::byte> data(512, std::byte{1});
    sink->write(0, data, {});
    served.server.remove_export("session");
    EXPECT_THROW(sink->write(512, data, {}), Error);
    EXPECT_EQ(served.backend->content[512], std::byte{0});
}

TEST(NbdServer, ServesAUnixSocketToo) {
    test::TemporaryFolder folder;
    NbdServer server{NbdServerOptions{.address = "", .port = 0, .socket = folder / "nbd.sock", .max_connections = 4}};
    server.add_export("session", std::make_shared<MemoryBackend>(MiB));
    EXPECT_EQ(block::open_nbd_source(server.uri_of("session"))->capacity(), MiB);
    server.stop();
    EXPECT_NE(::access((folder / "nbd.sock").c_str(), F_OK), 0);
}

/// A raw connection, for what no decent client sends.
struct RawClient {
    os::Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    SocketStream stream{socket.get()};

    explicit RawClient(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            throw os::system_error("connect", errno);
        }
        stream.read_text(18);
        std::string flags;
        put_big(flags, std::uint32_t{3});
        stream.write(flags);
    }
    void option(std::uint32_t number, const std::string& data, std::optional<std::uint32_t> length = {}) {
        std::string text("IHAVEOPT");
        put_big(text, number);
        put_big(text, length.value_or(static_cast<std::uint32_t>(data.size())));
        stream.write(text + data);
    }
    std::uint32_t reply_type() {
        stream.read_text(12);
        const auto type = stream.read_number<std::uint32_t>();
        stream.read_text(stream.read_number<std::uint32_t>());
        return type;
    }
    /// By the old option: size and flags, then transmission.
    void enter() {
        option(1, "session");
        stream.read_text(10);
    }
    void request(std::uint16_t command, Bytes offset, std::uint32_t length, std::uint16_t flags = 0) {
        std::string text;
        put_big(text, std::uint32_t{0x25609513});
        put_big(text, flags);
        put_big(text, command);
        put_big(text, std::uint64_t{42});
        put_big(text, offset);
        put_big(text, length);
        stream.write(text);
    }
    std::uint32_t error() {
        EXPECT_EQ(stream.read_number<std::uint32_t>(), 0x67446698u);
        const auto number = stream.read_number<std::uint32_t>();
        EXPECT_EQ(stream.read_number<std::uint64_t>(), 42u);
        return number;
    }
};

TEST(NbdServer, RefusesWhatItDoesNotKnowAndTellsNoNames) {
    Served served;
    RawClient client(served.server.port());
    client.option(8, "");  // structured replies
    EXPECT_EQ(client.reply_type(), 0x80000001u);
    client.option(3, "");
    EXPECT_EQ(client.reply_type(), 1u);
    client.option(7, "\xff\xff\xff\xff");
    EXPECT_EQ(client.reply_type(), 0x80000003u);
    client.option(2, "");
    EXPECT_EQ(client.reply_type(), 1u);
}

TEST(NbdServer, HangsUpOnGarbageAndOversizedOptions) {
    Served served;
    RawClient garbage(served.server.port());
    garbage.stream.write(std::string(16, 'x'));
    EXPECT_THROW(garbage.stream.read_text(1), Disconnected);
    RawClient large(served.server.port());
    large.option(7, "", 0x7fffffff);
    EXPECT_THROW(large.stream.read_text(1), Disconnected);
}

TEST(NbdServer, ChecksTheBoundsOfEveryRequest) {
    Served served;
    const auto size = served.backend->size();
    RawClient client(served.server.port());
    client.enter();
    client.request(0, size - 100, 200);
    EXPECT_EQ(client.error(), 22u);
    client.request(0, ~Bytes{0} - 10, 100);
    EXPECT_EQ(client.error(), 22u);
    client.request(6, size - 100, 200);
    EXPECT_EQ(client.error(), 28u);
    client.request(0, 0, 33 * 1024 * 1024);
    EXPECT_EQ(client.error(), 75u);
    client.request(99, 0, 0);
    EXPECT_EQ(client.error(), 22u);
    client.request(6, 0, 512, 1);
    EXPECT_EQ(client.error(), 0u);
    EXPECT_EQ(served.backend->flushes, 1);
    client.request(1, 0, 33 * 1024 * 1024);
    EXPECT_THROW(client.stream.read_text(1), Disconnected);
}

TEST(NbdServer, AnswersNoSpaceWithItsOwnErrorAndGoesOn) {
    Served served;
    RawClient client(served.server.port());
    client.enter();
    const auto write = [&] {
        client.request(1, 0, 512);
        client.stream.write(std::string(512, '\1'));
        return client.error();
    };
    served.backend->fail_with = ErrorCode::exhausted;
    EXPECT_EQ(write(), 28u);
    served.backend->fail_with = ErrorCode::external;
    EXPECT_EQ(write(), 5u);
    served.backend->fail_with.reset();
    EXPECT_EQ(write(), 0u);
    EXPECT_EQ(served.backend->content[511], std::byte{1});
}

TEST(NbdServer, TurnsAwayClientsBeyondItsLimit) {
    Served served;
    std::list<RawClient> clients;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back(served.server.port());
    }
    EXPECT_THROW(RawClient(served.server.port()), Disconnected);
}

}  // namespace
}  // namespace mk::volumes

// The server as our own client and raw clients see it; nbdcopy, nbdinfo, qemu-img and libnbd are tried in
// tests/integration/volumes.

#include "target/volumes/nbd_server.hpp"

#include <filesystem>
#include <future>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/nbd.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "unit/target/volumes/memory_backend.hpp"
#include "unit/target/volumes/raw_nbd_client.hpp"

namespace mk::volumes {
namespace {

using test::code_of;
using test_support::MemoryBackend;
using test_support::RawNbdClient;

constexpr std::size_t limit_of_connections = 4;

struct Served {
    std::shared_ptr<MemoryBackend> backend = std::make_shared<MemoryBackend>(40 * MiB + 512);
    NbdServer server{
        NbdServerOptions{.address = "127.0.0.1", .port = 0, .socket = "", .max_connections = limit_of_connections}};
    Served() { server.add_export("session", backend); }
};

std::vector<std::byte> filled(std::size_t size, int value) {
    return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

TEST(NbdServer, WritesZeroesAndFlushes) {
    Served served;
    const auto sink = block::open_nbd_sink(served.server.uri_of("session"));
    EXPECT_EQ(sink->capacity(), 40 * MiB + 512);
    EXPECT_EQ(sink->max_request(), 32 * MiB);
    EXPECT_TRUE(sink->has_multi_conn());
    const auto channel = sink->open_channel({});
    EXPECT_EQ(sink->instance(), "memory");
    channel->write(512, filled(32 * MiB, 7), {});
    channel->zero({1024, 40 * MiB - 1024}, {});
    channel->flush({});
    EXPECT_EQ(served.backend->content[511], std::byte{0});
    EXPECT_EQ(served.backend->content[512], std::byte{7});
    EXPECT_EQ(served.backend->content[1023], std::byte{7});
    EXPECT_EQ(served.backend->content[1024], std::byte{0});
    EXPECT_EQ(served.backend->flushes, 1);
}

TEST(NbdServer, ReadsWhatIsThere) {
    Served served;
    for (std::size_t i = 0; i < served.backend->content.size(); ++i) {
        served.backend->content[i] = static_cast<std::byte>(i * 31 >> 8);
    }
    const auto source = block::open_nbd_source(served.server.uri_of("session"));
    const auto channel = source->open_channel({});
    for (const Range range : {Range{0, 1}, Range{511, 3 * MiB}, Range{40 * MiB, 512}, Range{4096, 32 * MiB}}) {
        channel->request(range);
        const auto reply = channel->receive({});
        const std::span<const std::byte> expected =
            std::span(served.backend->content).subspan(range.offset, range.length);
        EXPECT_TRUE(std::equal(reply.data.begin(), reply.data.end(), expected.begin(), expected.end())) << range.offset;
    }
}

TEST(NbdServer, OffersExactlyWhatWasAdded) {
    Served served;
    EXPECT_EQ(code_of([&] { block::open_nbd_sink(served.server.uri_of("other")); }), ErrorCode::not_found);
    EXPECT_EQ(code_of([&] { served.server.add_export("session", served.backend); }), ErrorCode::conflict);
    served.server.remove_export("session");
    EXPECT_FALSE(served.server.has_export("session"));
    EXPECT_EQ(code_of([&] { block::open_nbd_sink(served.server.uri_of("session")); }), ErrorCode::not_found);
}

TEST(NbdServer, CutsTheConnectionsOfARemovedExportAndLetsGoOfIt) {
    Served served;
    RawNbdClient client(served.server.port());
    client.enter();
    client.request(1, 0, 512);
    client.send(std::string(512, '\1'));
    EXPECT_EQ(client.error(), 0u);
    served.server.add_export("other", std::make_shared<MemoryBackend>(MiB));
    RawNbdClient other(served.server.port());
    other.enter("other");
    served.server.remove_export("session");
    EXPECT_EQ(served.backend.use_count(), 1) << "no connection holds it any more";
    EXPECT_TRUE(client.is_cut());
    other.request(3, 0, 0);
    EXPECT_EQ(other.error(), 0u) << "others go on";
}

TEST(NbdServer, CutClientsHaveEndedAndTheExportStays) {
    Served served;
    RawNbdClient client(served.server.port());
    client.enter();
    client.request(1, 0, 512);
    client.send(std::string(100, '\1'));  // in the middle of a write
    served.server.cut_clients("session");
    EXPECT_EQ(served.backend.use_count(), 2) << "the server has it, and no connection";
    EXPECT_TRUE(client.is_cut());
    EXPECT_TRUE(served.backend->written.empty());
    RawNbdClient next(served.server.port());
    next.enter();
    next.request(3, 0, 0);
    EXPECT_EQ(next.error(), 0u);
    served.server.cut_clients("unknown");
    next.request(3, 0, 0);
    EXPECT_EQ(next.error(), 0u) << "only those of the named export are cut";
}

TEST(NbdServer, ListensOnlyWhereNobodyElseComes) {
    for (const char* address : {"0.0.0.0", "192.0.2.1"}) {
        const auto error = test::error_of([&] {
            NbdServer server(NbdServerOptions{.address = address, .port = 0, .socket = "", .max_connections = 4});
        });
        EXPECT_EQ(error.code(), ErrorCode::invalid);
        EXPECT_NE(error.cause().find(address), std::string::npos);
    }
}

TEST(NbdServer, AnswersAWriteOfNothingWithoutTouchingTheDisk) {
    Served served;
    RawNbdClient client(served.server.port());
    client.enter();
    client.request(1, 4096, 0);
    EXPECT_EQ(client.error(), 0u);
    EXPECT_TRUE(served.backend->written.empty());
}

TEST(NbdServer, ServesAUnixSocketToo) {
    test::TemporaryFolder folder;
    NbdServer server{NbdServerOptions{.address = "", .port = 0, .socket = folder / "nbd.sock", .max_connections = 4}};
    server.add_export("session", std::make_shared<MemoryBackend>(MiB));
    EXPECT_EQ(block::open_nbd_source(server.uri_of("session"))->capacity(), MiB);
    server.stop();
    EXPECT_NE(::access((folder / "nbd.sock").c_str(), F_OK), 0);
}

/// A connection that came another way than through the listeners.
struct Passed {
    std::unique_ptr<os::ByteStream> ours;
    std::future<void> served;

    explicit Passed(NbdServer& server) {
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ours = os::stream_on(os::Descriptor(pair[0]));
        served = std::async(std::launch::async,
                            [&server, theirs = pair[1]] { server.serve(os::stream_on(os::Descriptor(theirs))); });
    }
};

TEST(NbdServer, ServesAStreamThatCameAnotherWayUntilTheClientLeaves) {
    Served served;
    Passed passed(served.server);
    RawNbdClient client(std::move(passed.ours));
    client.enter();
    client.request(1, 0, 512);
    client.send(std::string(512, '\5'));
    EXPECT_EQ(client.error(), 0u);
    EXPECT_EQ(served.backend->content[511], std::byte{5});
    client.leave();
    passed.served.get();
}

TEST(NbdServer, RemovingAnExportCutsItsPassedStreamsToo) {
    Served served;
    Passed passed(served.server);
    RawNbdClient client(std::move(passed.ours));
    client.enter();
    served.server.remove_export("session");
    EXPECT_TRUE(client.is_cut());
    passed.served.get();
}

TEST(NbdServer, StopWaitsForPassedStreams) {
    Served served;
    Passed passed(served.server);
    RawNbdClient client(std::move(passed.ours));
    served.server.stop();
    passed.served.get();
    Passed late(served.server);
    late.served.get();
}

TEST(NbdServer, RefusesWhatItDoesNotKnowAndTellsNoNames) {
    Served served;
    RawNbdClient client(served.server.port());
    client.option(5, "");  // TLS
    EXPECT_EQ(client.option_reply().type, 0x80000001u);
    client.option(3, "");
    EXPECT_EQ(client.option_reply().type, 1u);
    client.option(7, "\xff\xff\xff\xff");
    EXPECT_EQ(client.option_reply().type, 0x80000003u);
    client.option(2, "");
    EXPECT_EQ(client.option_reply().type, 1u);
}

TEST(NbdServer, HangsUpOnGarbageAndOversizedOptions) {
    Served served;
    RawNbdClient garbage(served.server.port());
    garbage.send(std::string(16, 'x'));
    EXPECT_TRUE(garbage.is_cut());
    RawNbdClient large(served.server.port());
    large.option(7, "", 0x7fffffff);
    EXPECT_TRUE(large.is_cut());
}

TEST(NbdServer, ChecksTheBoundsOfEveryRequest) {
    Served served;
    const auto size = served.backend->size();
    RawNbdClient client(served.server.port());
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
    client.request(7, 0, 512);
    EXPECT_EQ(client.error(), 22u) << "allocation was not negotiated";
    client.request(1, size - 100, 200);
    client.send(std::string(200, 'x'));
    EXPECT_EQ(client.error(), 28u);
    client.request(6, 0, 512, 1);
    EXPECT_EQ(client.error(), 0u);
    EXPECT_EQ(served.backend->flushes, 1);
    client.request(1, 0, 33 * 1024 * 1024);
    EXPECT_TRUE(client.is_cut());
    EXPECT_TRUE(served.backend->written.empty());
}

TEST(NbdServer, AnswersNoSpaceWithItsOwnErrorAndGoesOn) {
    Served served;
    RawNbdClient client(served.server.port());
    client.enter();
    const auto write = [&](std::uint32_t length) {
        client.request(1, 0, length);
        client.send(std::string(length, '\1'));
        return client.error();
    };
    served.backend->fail_with = ErrorCode::exhausted;
    EXPECT_EQ(write(512), 28u);
    EXPECT_EQ(write(3 * MiB), 28u);
    served.backend->fail_with = ErrorCode::external;
    EXPECT_EQ(write(512), 5u);
    served.backend->fail_with.reset();
    EXPECT_EQ(write(512), 0u);
    EXPECT_EQ(served.backend->content[511], std::byte{1});
}

TEST(NbdServer, WritesThatFollowEachOtherAreDoneTogetherAndAnsweredOneByOne) {
    Served served;
    RawNbdClient client(served.server.port());
    client.enter();
    constexpr std::uint32_t length = 4096;
    std::string burst;
    for (std::uint64_t i = 0; i < 8; ++i) {
        burst += RawNbdClient::request_head(1, 512 + i * length, length, 0, i) +
                 std::string(length, static_cast<char>('a' + i));
    }
    burst += RawNbdClient::request_head(1, 0, 1, 1, 8) + "z";  // elsewhere, with FUA
    client.send(burst);
    for (std::uint64_t i = 0; i <= 8; ++i) {
        EXPECT_EQ(client.reply(), (RawNbdClient::Reply{0, i}));
    }
    EXPECT_EQ(served.backend->content[0], std::byte{'z'});
    EXPECT_EQ(served.backend->content[1], std::byte{0});
    for (std::uint64_t i = 0; i < 8; ++i) {
        EXPECT_EQ(served.backend->content[512 + i * length], static_cast<std::byte>('a' + i));
        EXPECT_EQ(served.backend->content[512 + (i + 1) * length - 1], static_cast<std::byte>('a' + i));
    }
    EXPECT_EQ(served.backend->flushes, 1);
    EXPECT_LT(served.backend->written.size(), 9u);
}

TEST(NbdServer, AClientThatLeavesInTheMiddleOfAWriteChangesNothing) {
    Served served;
    for (const std::uint32_t length : {512u, 1024u * 1024, 4u * 1024 * 1024}) {
        RawNbdClient client(served.server.port());
        client.enter();
        client.request(1, 8192, length);
        client.send(std::string(511, 'x'));
        client.leave();
    }
    served.server.remove_export("session");  // waits for what still runs
    EXPECT_TRUE(served.backend->written.empty());
}

TEST(NbdServer, AWholeWriteBeforeAClientLeftIsKeptAndTheTornOneIsNot) {
    Served served;
    RawNbdClient client(served.server.port());
    client.enter();
    client.request(1, 0, 512);
    client.send(std::string(512, 'a') + RawNbdClient::request_head(1, 512, 512) + std::string(100, 'b'));
    client.leave();
    served.server.remove_export("session");
    EXPECT_EQ(served.backend->content[512], std::byte{0});
}

std::string text_with_length(const std::string& text) {
    std::string data;
    nbd::put_big(data, static_cast<std::uint32_t>(text.size()));
    return data + text;
}

std::string context_query(const std::string& name, const std::vector<std::string>& queries) {
    auto data = text_with_length(name);
    nbd::put_big(data, static_cast<std::uint32_t>(queries.size()));
    for (const auto& query : queries) {
        data += text_with_length(query);
    }
    return data;
}

/// Structured replies and base:allocation are agreed on.
RawNbdClient structured_client(Served& served) {
    RawNbdClient client(served.server.port());
    client.option(8, "");
    EXPECT_EQ(client.option_reply().type, 1u);
    client.option(10, context_query("session", {"base:allocation", "other:thing"}));
    const auto context = client.option_reply();
    EXPECT_EQ(context.type, 4u);
    EXPECT_EQ(context.payload.substr(4), "base:allocation");
    EXPECT_EQ(client.option_reply().type, 1u);
    client.option(7, text_with_length("session") + std::string("\0\0", 2));
    while (client.option_reply().type == 3u) {
    }
    return client;
}

TEST(NbdServer, TellsAllocation) {
    Served served;
    auto client = structured_client(served);
    client.request(7, 4096, 8192);
    auto chunk = client.chunk();
    EXPECT_EQ(chunk.type, 5);
    std::string expected;
    for (const std::uint32_t number : {1u, 4096u, 3u, 4096u, 0u}) {
        nbd::put_big(expected, number);
    }
    EXPECT_EQ(chunk.payload, expected);
    client.request(7, 4096, 8192, 8);  // one extent
    EXPECT_EQ(client.chunk().payload, expected.substr(0, 12));
    client.request(7, 0, 0);
    EXPECT_EQ(client.chunk().type, 0x8001);
    client.request(7, 40 * MiB, 4096);
    EXPECT_EQ(client.chunk().type, 0x8001);
}

TEST(NbdServer, ContextsNeedStructuredRepliesAndBelongToOneExport) {
    Served served;
    served.server.add_export("other", std::make_shared<MemoryBackend>(MiB));
    RawNbdClient client(served.server.port());
    client.option(10, context_query("session", {"base:allocation"}));
    EXPECT_EQ(client.option_reply().type, 0x80000003u);
    client.option(9, context_query("session", {}));
    EXPECT_EQ(client.option_reply().type, 4u);
    EXPECT_EQ(client.option_reply().type, 1u);
    client.option(9, context_query("nothing", {}));
    EXPECT_EQ(client.option_reply().type, 0x80000006u);
    client.option(10, "\0\0");
    EXPECT_EQ(client.option_reply().type, 0x80000003u);
    client.option(8, "");
    client.option_reply();
    client.option(10, context_query("session", {"base:allocation"}));
    client.option_reply();
    client.option_reply();
    client.enter("other");
    client.request(7, 0, 4096);
    EXPECT_EQ(client.chunk().type, 0x8001);
}

TEST(NbdServer, StructuredReadsComeInChunksAndTellWhereTheyFail) {
    Served served;
    served.backend->content[3 * MiB] = std::byte{9};
    auto client = structured_client(served);
    client.request(0, 0, 4 * MiB);
    std::string data;
    RawNbdClient::Chunk chunk;
    do {
        chunk = client.chunk();
        ASSERT_EQ(chunk.type, 1);
        data += chunk.payload.substr(8);
    } while ((chunk.flags & 1) == 0);
    ASSERT_EQ(data.size(), 4 * MiB);
    EXPECT_EQ(data[3 * MiB], '\x9');
    served.backend->fail_reads_from = 2 * MiB;
    client.request(0, 0, 4 * MiB);
    EXPECT_EQ(client.chunk().type, 1);
    EXPECT_EQ(client.chunk().type, 1);
    EXPECT_EQ(client.chunk().type, 0x8001);
    client.request(3, 0, 0);
    EXPECT_EQ(client.error(), 0u) << "the connection goes on";
}

TEST(NbdServer, APlainReadThatFailsHalfWayEndsTheConnection) {
    Served served;
    served.backend->fail_reads_from = 2 * MiB;
    RawNbdClient client(served.server.port());
    client.enter();
    client.request(0, 3 * MiB, 512);
    EXPECT_EQ(client.error(), 5u);
    client.request(0, 0, 4 * MiB);
    EXPECT_EQ(client.error(), 0u);
    client.text(2 * MiB);
    EXPECT_TRUE(client.is_cut());
}

TEST(NbdServer, TurnsAwayClientsBeyondItsLimitWhileAllOthersWork) {
    Served served;
    std::list<RawNbdClient> clients;
    for (std::size_t i = 0; i < limit_of_connections; ++i) {
        clients.emplace_back(served.server.port()).enter();
    }
    EXPECT_THROW(RawNbdClient(served.server.port()), Error);
    clients.pop_front();
}

TEST(NbdServer, HalfOpenConnectionsMakeRoomForOthersAndDoNotHinderACopy) {
    Served served;
    const auto sink = block::open_nbd_sink(served.server.uri_of("session"));
    const auto channel = sink->open_channel({});
    std::list<std::unique_ptr<os::ByteStream>> half_open;
    for (int i = 0; i < 500; ++i) {
        half_open.push_back(os::connect_tcp("127.0.0.1", served.server.port(), std::chrono::seconds{10}));
        channel->write(static_cast<Bytes>(i) * 4096, filled(4096, i), {});
    }
    RawNbdClient late(served.server.port());
    late.enter();
    channel->flush({});
    for (std::size_t i = 0; i < 500; ++i) {
        EXPECT_EQ(served.backend->content[i * 4096], static_cast<std::byte>(i));
    }
}

std::size_t entries_of(const char* folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(NbdServer, AHundredExportsLeaveNothing) {
    const auto threads = entries_of("/proc/self/task");  // a sanitizer has one of its own
    Served served;
    const auto cycle = [&](int i) {
        const auto name = "session-" + std::to_string(i);
        served.server.add_export(name, std::make_shared<MemoryBackend>(MiB));
        RawNbdClient client(served.server.port());
        client.enter(name);
        client.request(1, 0, 512);
        client.send(std::string(512, 'x'));
        EXPECT_EQ(client.error(), 0u);
        served.server.remove_export(name);
        EXPECT_TRUE(client.is_cut());
    };
    cycle(0);
    const auto descriptors = entries_of("/proc/self/fd");
    for (int i = 1; i <= 100; ++i) {
        cycle(i);
    }
    served.server.stop();
    EXPECT_LE(entries_of("/proc/self/fd"), descriptors);
    EXPECT_EQ(entries_of("/proc/self/task"), threads);
}

}  // namespace
}  // namespace mk::volumes

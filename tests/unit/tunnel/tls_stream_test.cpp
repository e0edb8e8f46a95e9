#include "tunnel/tls_stream.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using test::connect_tls;
using test::noise;
using test::Site;
using test::trusting;

class TlsStreams : public testing::Test {
  protected:
    TlsOptions client_options() const { return trusting(vma, oma, {"mk-nbd/1"}); }
    TlsOptions server_options() const { return trusting(oma, vma, {"mk-nbd/1", "mk-digest/1"}); }

    Site vma{"vma"};
    Site oma{"oma"};
};

TEST_F(TlsStreams, CarryWhatWasWrittenInBothDirections) {
    auto pair = connect_tls(client_options(), server_options());
    EXPECT_EQ(pair.client->protocol(), "mk-nbd/1");
    EXPECT_EQ(pair.server->protocol(), "mk-nbd/1");
    EXPECT_EQ(pair.server->peer_fingerprint(), vma.identity.fingerprint);
    EXPECT_EQ(pair.client->peer_fingerprint(), oma.identity.fingerprint);
    os::ByteStream& client = *pair.client;
    os::ByteStream& server = *pair.server;
    for (const std::size_t size : {1UL, 28UL, 16383UL, 16384UL, 16385UL, 300'000UL, 3'000'000UL}) {
        const auto header = noise(28, 7);
        const auto payload = noise(size);
        const std::array<std::span<const std::byte>, 2> pieces{header, payload};
        std::thread writer([&] { client.write(pieces); });
        std::vector<std::byte> got_header(header.size());
        std::vector<std::byte> got(size);
        server.read(got_header);
        server.read(got);
        writer.join();
        EXPECT_EQ(got_header, header);
        EXPECT_EQ(got, payload) << size;
        server.write(std::span<const std::byte>(header));
        client.read(got_header);
        EXPECT_EQ(got_header, header);
    }
}

TEST_F(TlsStreams, EndAtTheirDeadlineAlsoWhenBytesCome) {
    auto pair = connect_tls(client_options(), server_options());
    static_cast<os::ByteStream&>(*pair.client).write(std::span<const std::byte>(noise(5)));
    pair.server->set_deadline(std::chrono::steady_clock::now());
    std::array<std::byte, 16> buffer{};
    EXPECT_EQ(test::code_of([&] { pair.server->read_some(buffer); }), ErrorCode::timeout);
}

TEST_F(TlsStreams, ReadWithoutWaitingWhenNothingIsThere) {
    auto pair = connect_tls(client_options(), server_options());
    std::array<std::byte, 16> buffer{};
    EXPECT_EQ(pair.server->read_now(buffer), std::nullopt);
    static_cast<os::ByteStream&>(*pair.client).write(std::span<const std::byte>(noise(5)));
    std::size_t got = pair.server->read_some(std::span(buffer).first(2));
    EXPECT_EQ(got, 2U);
    EXPECT_EQ(pair.server->read_now(buffer), std::optional<std::size_t>(3));
    EXPECT_EQ(pair.server->read_now(buffer), std::nullopt);
}

TEST_F(TlsStreams, TellAGoodByeFromACut) {
    std::array<std::byte, 16> buffer{};
    auto polite = connect_tls(client_options(), server_options());
    polite.client.reset();
    EXPECT_EQ(polite.server->read_some(buffer), 0U);

    auto cut = connect_tls(client_options(), server_options());
    cut.client->shut_down();
    EXPECT_EQ(test::code_of([&] { cut.server->read_some(buffer); }), ErrorCode::unavailable);
    EXPECT_EQ(test::code_of([&] { cut.client->read_some(buffer); }), ErrorCode::unavailable);
}

TEST_F(TlsStreams, GoOnReadingAfterTheirOwnGoodBye) {
    auto pair = connect_tls(client_options(), server_options());
    pair.client->finish_writing();
    std::array<std::byte, 4> buffer{};
    EXPECT_EQ(pair.server->read_some(buffer), 0U);
    const auto answer = noise(4);
    static_cast<os::ByteStream&>(*pair.server).write(std::span<const std::byte>(answer));
    static_cast<os::ByteStream&>(*pair.client).read(buffer);
    EXPECT_TRUE(std::equal(answer.begin(), answer.end(), buffer.begin()));
}

TEST_F(TlsStreams, GoOnWithANewKeyAfterManyBytes) {
    auto options = client_options();
    options.rekey_after = 1;  // with every batch of records
    auto pair = connect_tls(options, server_options());
    const auto payload = noise(1'000'000);
    std::thread writer([&] {
        for (std::size_t begin = 0; begin < payload.size(); begin += 50'000) {
            static_cast<os::ByteStream&>(*pair.client)
                .write(std::span<const std::byte>(payload).subspan(begin, 50'000));
        }
    });
    std::vector<std::byte> got(payload.size());
    static_cast<os::ByteStream&>(*pair.server).read(got);
    writer.join();
    EXPECT_EQ(got, payload);
}

TEST_F(TlsStreams, AStopRequestEndsAHandshakeThatHangs) {
    auto sockets = test::socket_pair();
    std::stop_source stop;
    stop.request_stop();
    auto options = client_options();
    options.stop = stop.get_token();
    EXPECT_EQ(test::code_of([&] { tls_connect(os::stream_on(std::move(sockets.one)), options); }),
              ErrorCode::cancelled);
}

}  // namespace
}  // namespace mk::tunnel

#include "tunnel/splice.hpp"

#include <future>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::seconds;
using test::Site;
using test::trusting;

/// A stream with the socket below it at hand, joined to a local socket on a thread of its own.
class ASplice : public testing::Test {
  protected:
    void SetUp() override {
        auto sockets = test::socket_pair();
        below = os::Descriptor(::dup(sockets.other.get()));
        const auto server_options = trusting(oma, vma, {"mk-control/1"});
        auto accepting = std::async(std::launch::async, [&] {
            auto stream = tls_accept(os::stream_on(std::move(sockets.other)), server_options);
            welcome(*stream, Welcome::served);
            return stream;
        });
        client = tls_connect(os::stream_on(std::move(sockets.one)), trusting(vma, oma, {"mk-control/1"}));
        server = accepting.get();
        auto pair = test::socket_pair();
        local = os::stream_on(std::move(pair.one));
        outcome = std::async(std::launch::async, [this, end = std::move(pair.other)]() mutable {
            return test::outcome_of([&] { splice(*server, below.get(), std::move(end), seconds{20}, counted); });
        });
    }

    Site vma{"vma"};
    Site oma{"oma"};
    Metrics figures{"test"};
    Metrics::Protocol& counted = figures.of("mk-control/1");
    os::Descriptor below;
    std::unique_ptr<TlsStream> client;
    std::unique_ptr<TlsStream> server;
    std::unique_ptr<os::ByteStream> local;
    std::future<std::optional<ErrorCode>> outcome;
};

TEST_F(ASplice, EndsWhenItIsCutAfterThePeerHasSaidAll) {
    client->finish_writing();
    std::array<std::byte, 1> byte{};
    ASSERT_EQ(local->read_some(byte), 0U);  // so the splice has seen the end of that direction
    ASSERT_EQ(::shutdown(below.get(), SHUT_RDWR), 0);
    EXPECT_EQ(outcome.get(), ErrorCode::unavailable);
}

TEST_F(ASplice, CarriesTheOtherDirectionAfterThePeerHasSaidAll) {
    client->finish_writing();
    std::array<std::byte, 1> byte{};
    ASSERT_EQ(local->read_some(byte), 0U);
    const auto sent = test::noise(1000);
    local->write(std::span<const std::byte>(sent));
    std::vector<std::byte> got(sent.size());
    static_cast<os::ByteStream&>(*client).read(got);
    EXPECT_EQ(got, sent);
    local.reset();
    EXPECT_EQ(outcome.get(), std::nullopt);
}

}  // namespace
}  // namespace mk::tunnel

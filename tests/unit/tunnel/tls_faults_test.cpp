// What must not become a TLS stream.

#include <limits>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "hello_bytes.hpp"
#include "os/file.hpp"
#include "support/error_of.hpp"
#include "tunnel/certificate.hpp"
#include "tunnel/tls_stream.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using test::Site;
using test::trusting;

struct Outcome {
    std::optional<Error> client;
    std::optional<Error> server;
};

template <class Action>
std::optional<Error> failure_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

class TlsFaults : public testing::Test {
  protected:
    TlsFaults() {
        client_options = trusting(vma, oma, {"mk-nbd/1"});
        server_options = trusting(oma, vma, {"mk-nbd/1"});
    }

    Outcome meet() {
        auto sockets = test::socket_pair();
        return meet_over(std::move(sockets.one), std::move(sockets.other));
    }
    Outcome meet_over(os::Descriptor client_socket, os::Descriptor server_socket) {
        Outcome outcome;
        std::thread server([&, socket = std::move(server_socket)]() mutable {
            outcome.server = failure_of([&] {
                const auto stream = tls_accept(os::stream_on(std::move(socket)), server_options);
                welcome(*stream, Welcome::served);
            });
        });
        outcome.client = failure_of([&] { tls_connect(os::stream_on(std::move(client_socket)), client_options); });
        server.join();
        return outcome;
    }
    /// Gives a site a certificate of another time for its own key.
    static void date(const Site& site, Instant begin, Instant end) {
        const auto key = key_from_pem(os::read_file(site.identity.key_file));
        os::write_file_atomically(site.identity.certificate_file,
                                  to_pem(make_certificate(key, "dated", {.begin = begin, .end = end})));
    }

    Site vma{"vma"};
    Site oma{"oma"};
    Site stranger{"stranger"};
    TlsOptions client_options;
    TlsOptions server_options;
    const Instant now = SystemClock{}.now();
};

TEST_F(TlsFaults, AClientThatIsNotPairedIsRefused) {
    client_options.identity = stranger.identity;
    const auto outcome = meet();
    ASSERT_TRUE(outcome.client && outcome.server);
    EXPECT_EQ(outcome.client->code(), ErrorCode::forbidden);
    EXPECT_EQ(outcome.client->native(), "Refused");
    EXPECT_EQ(outcome.server->native(), "UnknownPeer");
}

TEST_F(TlsFaults, AGatewayThatIsNotPairedGetsNothing) {
    server_options.identity = stranger.identity;
    const auto outcome = meet();
    ASSERT_TRUE(outcome.client && outcome.server);
    EXPECT_EQ(outcome.client->code(), ErrorCode::forbidden);
    EXPECT_EQ(outcome.client->native(), "UnknownPeer");
}

TEST_F(TlsFaults, AnExpiredCertificateOfAPairedKeyIsRefused) {
    date(vma, now - days{100}, now - days{1});
    auto outcome = meet();
    ASSERT_TRUE(outcome.server);
    EXPECT_EQ(outcome.server->native(), "UnknownPeer");
    EXPECT_NE(outcome.server->cause().find("expired"), std::string::npos);
    EXPECT_EQ(outcome.client->native(), "Refused");
    date(vma, now - days{1}, now + days{1});
    EXPECT_FALSE(meet().client);
    date(oma, now + days{1}, now + days{2});
    outcome = meet();
    ASSERT_TRUE(outcome.client);
    EXPECT_NE(outcome.client->cause().find("valid from"), std::string::npos);
}

TEST_F(TlsFaults, AnotherProtocolThanTheServedOnesIsRefused) {
    client_options.protocols = {"mk-nbd/2"};
    const auto outcome = meet();
    ASSERT_TRUE(outcome.client && outcome.server);
    EXPECT_EQ(outcome.client->code(), ErrorCode::forbidden);
}

TEST_F(TlsFaults, AFullServiceSaysSo) {
    auto sockets = test::socket_pair();
    std::thread server([&, socket = std::move(sockets.other)]() mutable {
        const auto stream = tls_accept(os::stream_on(std::move(socket)), server_options);
        welcome(*stream, Welcome::busy);
    });
    EXPECT_EQ(test::code_of([&] { tls_connect(os::stream_on(std::move(sockets.one)), client_options); }),
              ErrorCode::unavailable);
    server.join();
}

TEST_F(TlsFaults, GarbageInsteadOfAHandshakeIsTold) {
    for (const bool is_client : {true, false}) {
        auto sockets = test::socket_pair();
        const auto other = os::stream_on(std::move(sockets.other));
        other->write(std::span<const std::byte>(test::bytes_of("HTTP/1.1 400 Bad Request\r\n\r\n")));
        auto lower = os::stream_on(std::move(sockets.one));
        const auto error = test::error_of([&] {
            is_client ? tls_connect(std::move(lower), client_options) : tls_accept(std::move(lower), server_options);
        });
        EXPECT_EQ(error.code(), ErrorCode::unavailable) << is_client;
    }
}

TEST_F(TlsFaults, SilenceEndsTheHandshakeAtItsLimit) {
    auto sockets = test::socket_pair();
    server_options.handshake_limit = milliseconds{30};
    EXPECT_EQ(test::code_of([&] { tls_accept(os::stream_on(std::move(sockets.one)), server_options); }),
              ErrorCode::timeout);
}

TEST_F(TlsFaults, BytesThatDripCannotStretchTheLimit) {
    auto sockets = test::socket_pair();
    server_options.handshake_limit = milliseconds{100};
    std::jthread dripping([socket = std::move(sockets.other)](const std::stop_token& stop) mutable {
        const auto stream = os::stream_on(std::move(socket));
        const std::array<std::byte, 6> start{std::byte{22},   std::byte{3}, std::byte{1},
                                             std::byte{0x10}, std::byte{0}, std::byte{1}};
        try {
            stream->write(std::span<const std::byte>(start));
            while (!stop.stop_requested()) {
                stream->write(std::span(start).subspan(4, 1));
                std::this_thread::yield();
            }
        } catch (const Error&) {
            // The other side had enough.
        }
    });
    const auto code = test::code_of([&] { tls_accept(os::stream_on(std::move(sockets.one)), server_options); });
    EXPECT_TRUE(code == ErrorCode::timeout || code == ErrorCode::unavailable);
}

/// Changes what is written at one place: cuts the connection there, or flips a bit.
class FaultyStream : public os::ByteStream {
  public:
    enum class Fault { cut, flip };
    FaultyStream(os::Descriptor socket, Fault fault, std::size_t place)
        : lower_(os::stream_on(std::move(socket))), fault_(fault), place_(place) {}

    void write(std::span<const std::span<const std::byte>> pieces) override {
        for (const auto piece : pieces) {
            std::vector<std::byte> bytes(piece.begin(), piece.end());
            const bool is_hit = place_ >= written && place_ < written + bytes.size();
            if (is_hit && fault_ == Fault::flip) {
                bytes[place_ - written] ^= std::byte{1};
            }
            if (is_hit && fault_ == Fault::cut) {
                bytes.resize(place_ - written);
            }
            written += piece.size();
            lower_->write(std::span<const std::byte>(bytes));
            if (is_hit && fault_ == Fault::cut) {
                lower_->shut_down();
            }
        }
    }
    std::size_t read_some(std::span<std::byte> buffer) override { return lower_->read_some(buffer); }
    std::optional<std::size_t> read_now(std::span<std::byte> buffer) override { return lower_->read_now(buffer); }
    void set_limit(milliseconds limit) override { lower_->set_limit(limit); }
    void shut_down() noexcept override { lower_->shut_down(); }
    std::chrono::nanoseconds write_wait() const override { return lower_->write_wait(); }

    void flip_at(std::size_t place) { place_ = place; }

    std::size_t written = 0;

  private:
    std::unique_ptr<os::ByteStream> lower_;
    Fault fault_;
    std::size_t place_;
};

constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

/// A handshake in which one side's connection is cut after so many bytes written. Tells how many that side wrote.
std::size_t meet_with_cuts(const TlsOptions& client_options, const TlsOptions& server_options, bool is_client_cut,
                           std::size_t place, Outcome& outcome) {
    auto sockets = test::socket_pair();
    auto faulty = std::make_unique<FaultyStream>(std::move(is_client_cut ? sockets.one : sockets.other),
                                                 FaultyStream::Fault::cut, place);
    const auto& counted = *faulty;
    std::unique_ptr<os::ByteStream> sound = os::stream_on(std::move(is_client_cut ? sockets.other : sockets.one));
    std::unique_ptr<os::ByteStream> cut = std::move(faulty);
    std::size_t by_server = 0;
    std::size_t by_client = 0;
    std::thread server([&, lower = std::move(is_client_cut ? sound : cut)]() mutable {
        outcome.server = failure_of([&] {
            const auto stream = tls_accept(std::move(lower), server_options);
            welcome(*stream, Welcome::served);
            by_server = is_client_cut ? 0 : counted.written;
        });
    });
    outcome.client = failure_of([&] {
        const auto stream = tls_connect(std::move(is_client_cut ? cut : sound), client_options);
        by_client = is_client_cut ? counted.written : 0;
    });
    server.join();
    return by_server + by_client;
}

TEST_F(TlsFaults, ACutAtAnyByteOfTheHandshakeIsAnErrorThatMayBeRetried) {
    for (const bool is_client_cut : {true, false}) {
        Outcome outcome;
        const auto whole = meet_with_cuts(client_options, server_options, is_client_cut, nowhere, outcome);
        ASSERT_FALSE(outcome.client || outcome.server);
        const auto size = whole - 8;  // from one handshake to the next the signature's length differs by some bytes
        ASSERT_GT(size, 500U);
        // Every byte would take too long; a stride of a prime meets all kinds of places over the messages.
        for (std::size_t place = 0; place < size; place += place < 16 || place + 32 > size ? 1 : 13) {
            meet_with_cuts(client_options, server_options, is_client_cut, place, outcome);
            ASSERT_TRUE(outcome.client) << is_client_cut << " " << place;
            EXPECT_TRUE(outcome.client->retryable()) << outcome.client->cause() << " at " << place;
        }
    }
}

TEST_F(TlsFaults, AChangedBitIsNeverTakenForData) {
    for (const std::size_t place : {0UL, 3UL, 5UL, 100UL, 16'000UL, 16'406UL}) {
        auto sockets = test::socket_pair();
        auto faulty = std::make_unique<FaultyStream>(std::move(sockets.one), FaultyStream::Fault::flip, nowhere);
        std::thread server([&, socket = std::move(sockets.other)]() mutable {
            const auto stream = tls_accept(os::stream_on(std::move(socket)), server_options);
            welcome(*stream, Welcome::served);
            std::vector<std::byte> got(30'000);
            EXPECT_EQ(test::code_of([&] { static_cast<os::ByteStream&>(*stream).read(got); }), ErrorCode::unavailable)
                << place;
        });
        auto& wire = *faulty;
        const auto client = tls_connect(std::move(faulty), client_options);
        wire.flip_at(wire.written + place);
        static_cast<os::ByteStream&>(*client).write(std::span<const std::byte>(test::noise(30'000)));
        client->shut_down();
        server.join();
    }
}

}  // namespace
}  // namespace mk::tunnel

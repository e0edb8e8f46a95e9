#include "tunnel/hand_off.hpp"

#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>

#include "base/retry.hpp"
#include "os/socket.hpp"
#include "support/error_of.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/sockets.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using test::Site;

void echo(Accepted accepted) {
    std::vector<std::byte> buffer(100'000);
    while (const auto got = accepted.stream->read_some(buffer)) {
        accepted.stream->write(std::span<const std::byte>(buffer).first(got));
    }
}

/// What the gateway does with a connection, without looking at it.
class Forwarder {
  public:
    explicit Forwarder(std::string socket)
        : socket_(std::move(socket)),
          listener_(os::listen_tcp("127.0.0.1", 0)),
          thread_([this](const std::stop_token& stop) {
              while (!stop.stop_requested()) {
                  pollfd entry{listener_.socket.get(), POLLIN, 0};
                  ::poll(&entry, 1, 20);
                  if (const auto accepted = os::accept_now(listener_.socket.get())) {
                      hand_over(socket_, accepted.get());
                  }
              }
          }) {}
    std::string address() const { return "127.0.0.1:" + std::to_string(listener_.port); }

  private:
    std::string socket_;
    os::TcpListener listener_;
    std::jthread thread_;
};

class HandOff : public testing::Test {
  protected:
    HandOff() : forwarder(oma.folder / "handoff.sock") {
        vma.trust(oma, "oma", forwarder.address());
        oma.trust(vma, "vma-1");
    }
    HandOffOptions options() { return {.socket = oma.folder / "handoff.sock", .folder = oma.folder.path()}; }
    std::unique_ptr<os::ByteStream> dial_now(const std::string& protocol) {
        return dial({.folder = vma.folder.path()}, protocol, nullptr, {});
    }

    Site vma{"vma"};
    Site oma{"oma"};
    Forwarder forwarder;
};

TEST_F(HandOff, ServesTheProtocolThatWasDialled) {
    HandOffListener listener(options(), {{alpn::nbd, &echo}, {alpn::nbd_zstd, &echo}});
    for (const auto* protocol : {alpn::nbd, alpn::nbd_zstd}) {
        auto stream = dial_now(protocol);
        const auto sent = test::noise(90'000);
        stream->write(std::span<const std::byte>(sent));
        std::vector<std::byte> got(sent.size());
        stream->read(got);
        EXPECT_EQ(got, sent) << protocol;
    }
}

TEST_F(HandOff, TellsTheHandlerWhoDialled) {
    std::promise<std::string> who;
    HandOffListener listener(options(),
                             {{alpn::digest, [&](const Accepted& accepted) { who.set_value(accepted.appliance_id); }}});
    const auto stream = dial_now(alpn::digest);
    EXPECT_EQ(who.get_future().get(), "vma-1");
}

TEST_F(HandOff, RefusesAStranger) {
    HandOffListener listener(options(), {{alpn::nbd, &echo}});
    oma.store.remove("vma-1");
    const auto error = test::error_of([&] { dial_now(alpn::nbd); });
    EXPECT_EQ(error.code(), ErrorCode::forbidden);
    EXPECT_EQ(error.native(), "Refused");
}

TEST_F(HandOff, CutsARunningConnectionWhenThePairingIsRemoved) {
    HandOffListener listener(options(), {{alpn::nbd, &echo}});
    auto stream = dial_now(alpn::nbd);
    oma.store.remove("vma-1");
    std::array<std::byte, 1> buffer{};
    EXPECT_EQ(test::code_of([&] { stream->read_some(buffer); }), ErrorCode::unavailable);
    EXPECT_NE(listener.metrics().find("revoked_total{place=\"hand_off\",protocol=\"mk-nbd/1\"} 1"), std::string::npos)
        << listener.metrics();
}

TEST_F(HandOff, KeepsARunningConnectionWhilePairingsCannotBeRead) {
    HandOffListener listener(options(), {{alpn::nbd, &echo}});
    auto stream = dial_now(alpn::nbd);
    const auto file = std::filesystem::path(oma.folder / "pairings/vma-1.json");
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);  // opens, but read() fails
    EXPECT_EQ(test::code_of([&] { dial_now(alpn::nbd); }), ErrorCode::unavailable) << "nobody new, for the moment";
    // Long enough for two looks at the pairings.
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{2200};
         std::chrono::steady_clock::now() < end; pause(std::chrono::milliseconds{50}, {})) {
        std::array<std::byte, 1> byte{std::byte{7}};
        stream->write(std::span<const std::byte>(byte));
        stream->read(byte);
    }
    std::filesystem::remove(file);
    std::array<std::byte, 1> byte{};
    EXPECT_EQ(test::code_of([&] { stream->read_some(byte); }), ErrorCode::unavailable) << "now it is revoked";
}

TEST_F(HandOff, SaysWhenItIsFull) {
    auto limited = options();
    limited.max_connections = 1;
    HandOffListener listener(limited, {{alpn::nbd, &echo}});
    const auto first = dial_now(alpn::nbd);
    EXPECT_EQ(test::code_of([&] { dial_now(alpn::nbd); }), ErrorCode::unavailable);
}

TEST_F(HandOff, StopEndsRunningConnections) {
    HandOffListener listener(options(), {{alpn::nbd, &echo}});
    auto stream = dial_now(alpn::nbd);
    listener.stop();
    std::array<std::byte, 1> buffer{};
    EXPECT_EQ(test::code_of([&] { stream->read_some(buffer); }), ErrorCode::unavailable);
    listener.stop();
}

}  // namespace
}  // namespace mk::tunnel

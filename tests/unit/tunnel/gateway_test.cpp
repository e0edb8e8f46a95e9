#include "tunnel/gateway.hpp"

#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/retry.hpp"
#include "os/socket.hpp"
#include "support/error_of.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/hand_off.hpp"
#include "tunnel/pairing_exchange.hpp"
#include "tunnel/reverse_client.hpp"
#include "tunnel/sockets.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::bytes_of;
using test::Site;

void wait_for(const std::function<bool()>& condition) {
    wait_until(condition, milliseconds{10}, seconds{20}, {}, "the tunnel did not get there");
}

/// vma-api's place: answers every line with the same line, in capitals at its beginning.
class LineService {
  public:
    explicit LineService(const std::string& path)
        : listener_(os::listen_unix(path)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  private:
    void run(const std::stop_token& stop) {
        std::vector<std::jthread> served;
        while (!stop.stop_requested()) {
            pollfd entry{listener_.get(), POLLIN, 0};
            ::poll(&entry, 1, 20);
            if (auto socket = os::accept_now(listener_.get())) {
                served.emplace_back([own = std::move(socket)]() mutable { serve(std::move(own)); });
            }
        }
    }
    static void serve(os::Descriptor socket) {
        try {
            const auto stream = os::stream_on(std::move(socket));
            std::vector<std::byte> buffer(100'000);
            while (const auto got = stream->read_some(buffer)) {
                stream->write(std::span<const std::byte>(buffer).first(got));
            }
            stream->write(std::span<const std::byte>(bytes_of("bye")));
        } catch (const Error&) {
            // The tunnel was cut.
        }
    }

    os::Descriptor listener_;
    std::jthread thread_;
};

class TheTunnel : public testing::Test {
  protected:
    TheTunnel() : service(vma.folder / "api.sock") { start(0); }

    void start(std::uint16_t port) {
        gateway.reset();
        gateway = std::make_unique<Gateway>(GatewayOptions{.host = "127.0.0.1",
                                                           .port = port,
                                                           .folder = oma.folder.path(),
                                                           .hand_off_socket = oma.folder / "handoff.sock",
                                                           .control_folder = oma.folder / "control",
                                                           .metrics_folder = oma.folder / "metrics"});
    }
    std::string address() const { return "127.0.0.1:" + std::to_string(gateway->port()); }
    void trust_each_other() {
        vma.trust(oma, "oma", address());
        oma.trust(vma, "vma-1");
    }
    std::unique_ptr<ReverseClient> client(const std::string& api = "") {
        return std::make_unique<ReverseClient>(
            ReverseClientOptions{.folder = vma.folder.path(), .vma_api = api.empty() ? vma.folder / "api.sock" : api});
    }
    std::string control_socket() const { return oma.folder / "control/vma-1.sock"; }
    /// What the service behind the tunnel answers; empty when the connection is closed instead.
    std::string ask(const std::string& words) const {
        try {
            const auto stream = os::connect_unix(control_socket(), seconds{5});
            stream->set_limit(seconds{20});
            stream->write(std::span<const std::byte>(bytes_of(words)));
            std::string answer(words.size(), ' ');
            stream->read(std::as_writable_bytes(std::span(answer)));
            return answer;
        } catch (const Error&) {
            return "";
        }
    }

    Site vma{"vma"};
    Site oma{"oma"};
    LineService service;
    std::unique_ptr<Gateway> gateway;
};

TEST_F(TheTunnel, CarriesRequestsToTheVma) {
    trust_each_other();
    const auto reverse = client();
    wait_for([&] { return reverse->count().idle == 4; });
    wait_for([&] { return !ask("ping").empty(); });
    struct stat info{};
    ASSERT_EQ(::stat(control_socket().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    const std::string large(300'000, 'x');
    EXPECT_EQ(ask(large), large);
}

TEST_F(TheTunnel, PassesTheEndOfOneDirectionOn) {
    trust_each_other();
    const auto reverse = client();
    wait_for([&] { return !ask("ping").empty(); });
    const auto listener = os::connect_to(control_socket(), seconds{5}, {});
    ASSERT_EQ(::send(listener.get(), "hello", 5, 0), 5);
    ASSERT_EQ(::shutdown(listener.get(), SHUT_WR), 0);
    const auto stream = os::stream_on(os::Descriptor(::dup(listener.get())));
    std::string answer(8, ' ');
    stream->read(std::as_writable_bytes(std::span(answer)));
    EXPECT_EQ(answer, "hellobye");
    std::array<std::byte, 1> more{};
    EXPECT_EQ(stream->read_some(more), 0U);
}

TEST_F(TheTunnel, GrowsWithTheDemand) {
    trust_each_other();
    const auto reverse = client();
    wait_for([&] { return !ask("ping").empty(); });
    std::vector<std::unique_ptr<os::ByteStream>> open;
    for (int i = 0; i < 20; ++i) {
        open.push_back(os::connect_unix(control_socket(), seconds{5}));
        open.back()->set_limit(seconds{20});
        open.back()->write(std::span<const std::byte>(bytes_of("x")));
    }
    std::array<std::byte, 1> answer{};
    for (auto& stream : open) {
        stream->read(answer);
    }
    EXPECT_GE(reverse->count().used, 20U);
    wait_for([&] { return reverse->count().idle > 4; });
}

TEST_F(TheTunnel, ClosesAtOnceWhenNoVmaIsThere) {
    trust_each_other();
    wait_for([&] { return std::ifstream(control_socket()).good() || ::access(control_socket().c_str(), F_OK) == 0; });
    EXPECT_EQ(ask("ping"), "");
}

TEST_F(TheTunnel, ClosesWhenTheServiceBehindItIsNotThere) {
    trust_each_other();
    const auto reverse = client(vma.folder / "nobody.sock");
    wait_for([&] { return reverse->count().idle == 4; });
    wait_for([&] { return ::access(control_socket().c_str(), F_OK) == 0; });
    EXPECT_EQ(ask("ping"), "");
}

TEST_F(TheTunnel, ComesBackAfterTheGatewayWasAway) {
    trust_each_other();
    const auto reverse = client();
    wait_for([&] { return !ask("ping").empty(); });
    start(gateway->port());
    wait_for([&] { return !ask("ping").empty(); });
}

TEST_F(TheTunnel, EndsWithThePairing) {
    trust_each_other();
    const auto reverse = client();
    wait_for([&] { return !ask("ping").empty(); });
    const auto used = os::connect_unix(control_socket(), seconds{5});
    used->write(std::span<const std::byte>(bytes_of("x")));
    std::array<std::byte, 1> answer{};
    used->read(answer);
    oma.store.remove("vma-1");
    used->set_limit(seconds{20});
    EXPECT_EQ(used->read_some(answer), 0U);
    wait_for([&] { return ::access(control_socket().c_str(), F_OK) != 0; });
    wait_for([&] { return reverse->count().idle == 0; });
}

TEST_F(TheTunnel, HandsDataConnectionsOn) {
    trust_each_other();
    EXPECT_EQ(test::code_of([&] { dial({.folder = vma.folder.path()}, alpn::nbd, nullptr, {}); }),
              ErrorCode::unavailable);
    HandOffListener listener({.socket = oma.folder / "handoff.sock", .folder = oma.folder.path()},
                             {{alpn::nbd_zstd, [](const Accepted& accepted) {
                                   std::vector<std::byte> buffer(1000);
                                   const auto got = accepted.stream->read_some(buffer);
                                   accepted.stream->write(std::span<const std::byte>(buffer).first(got));
                               }}});
    const auto traffic = std::make_shared<Traffic>();
    const auto stream =
        dial({.folder = vma.folder.path(), .bucket = std::make_shared<TokenBucket>(GiB)}, alpn::nbd_zstd, traffic, {});
    stream->write(std::span<const std::byte>(bytes_of("hello")));
    std::string answer(5, ' ');
    stream->read(std::as_writable_bytes(std::span(answer)));
    EXPECT_EQ(answer, "hello");
    EXPECT_EQ(traffic->sent, 5U + 9U);
    // The gateway may go: what was handed on does not pass through it.
    gateway->stop();
}

TEST_F(TheTunnel, PairsThroughItsPortOnlyWhileAnInvitationIsOpen) {
    const PairingRequest request{.folder = vma.folder.path(),
                                 .gateway = address(),
                                 .code = "AAAAA-AAAAA-AAAAA-AAAAA",
                                 .appliance_id = "vma-1",
                                 .name = "vma",
                                 .api_token = Secret("token")};
    EXPECT_EQ(test::code_of([&] { pair_with_gateway(request, seconds{20}, {}); }), ErrorCode::unavailable);
    auto with_code = request;
    with_code.code = oma.store.invite().code;
    EXPECT_EQ(test::code_of([&] { pair_with_gateway(request, seconds{20}, {}); }), ErrorCode::forbidden);
    pair_with_gateway(with_code, seconds{20}, {});
    const auto reverse = client();
    wait_for([&] { return !ask("ping").empty(); });
}

TEST_F(TheTunnel, WithoutAPairingSaysWhatToDo) {
    const auto error = test::error_of([&] { dial({.folder = vma.folder.path()}, alpn::nbd, nullptr, {}); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.native(), "NotPaired");
}

TEST_F(TheTunnel, WritesItsFiguresIntoAFile) {
    trust_each_other();
    const auto reverse = client();
    wait_for([&] { return !ask("ping").empty(); });
    wait_for([&] { return ::access((oma.folder / "metrics/tunnel-gateway.prom").c_str(), R_OK) == 0; });
    wait_for([&] {
        return gateway->metrics().find("mk_tunnel_round_trip_seconds{place=\"gateway\",appliance=\"vma-1\"}") !=
               std::string::npos;
    });
}

}  // namespace
}  // namespace mk::tunnel

#include "oma-api/boot_probe.hpp"

#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "http/server.hpp"
#include "os/file.hpp"
#include "support/error_of.hpp"

namespace mk::oma {
namespace {

using namespace std::chrono_literals;
using failover::BootVerdict;
using test::code_of;

failover::CloudMachine machine_at(const std::string& address) {
    return {.id = CloudMachineId{"vm"}, .name = "web", .state = "Running", .nics = {{"n", "net", address}}};
}

/// Says `greeting` to who connects. With an empty one it takes connections and is silent, as a forwarder is for a
/// machine that is not there.
class Greeter {
  public:
    explicit Greeter(std::string greeting) : greeting_(std::move(greeting)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        auto* const raw = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_.get(), raw, length) != 0 || ::listen(listener_.get(), 8) != 0 ||
            ::getsockname(listener_.get(), raw, &length) != 0) {
            throw os::system_error("listen", errno);
        }
        port_ = ntohs(address.sin_port);
        if (!greeting_.empty()) {
            worker_ = std::jthread([this] { greet(); });
        }
    }
    ~Greeter() { ::shutdown(listener_.get(), SHUT_RDWR); }
    std::string probe() const { return "tcp:" + std::to_string(port_); }

  private:
    void greet() const {
        for (;;) {
            const os::Descriptor peer(::accept(listener_.get(), nullptr, nullptr));
            if (!peer) {
                return;
            }
            ::send(peer.get(), greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
        }
    }

    const std::string greeting_;
    os::Descriptor listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    std::uint16_t port_ = 0;
    std::jthread worker_;
};

BootProbe quick() {
    return BootProbe({.interval = 1ms, .answer_limit = 50ms});
}

TEST(BootProbe, TakesTheAnswerOfAnHttpServerAsEvidence) {
    http::Server guest({}, [](const http::ServerRequest& request) {
        return http::ServerResponse{.content_type = "text/plain", .body = "marker " + request.path};
    });
    const auto probe = "http:" + std::to_string(guest.port()) + "/state";

    const auto seen = BootProbe().observe(machine_at("127.0.0.1"), probe, 30s, {});

    EXPECT_EQ(seen.verdict, BootVerdict::booted);
    EXPECT_NE(seen.text.find("HTTP 200"), std::string::npos) << seen.text;
    EXPECT_NE(seen.text.find("marker /state"), std::string::npos) << seen.text;
}

TEST(BootProbe, TakesTheGreetingOfATcpServiceAsEvidence) {
    const Greeter guest("SSH-2.0-OpenSSH\r\n");

    const auto seen = BootProbe().observe(machine_at("127.0.0.1"), guest.probe(), 30s, {});

    EXPECT_EQ(seen.verdict, BootVerdict::booted);
    EXPECT_NE(seen.text.find("SSH-2.0"), std::string::npos) << seen.text;
}

TEST(BootProbe, AConnectionWithoutAWordIsNoProof) {
    const Greeter forwarder("");

    EXPECT_EQ(quick().observe(machine_at("127.0.0.1"), forwarder.probe(), 0s, {}).verdict, BootVerdict::failed);
}

TEST(BootProbe, AMachineThatDoesNotAnswerInTimeHasNotBooted) {
    const auto seen = quick().observe(machine_at("127.0.0.1"), "http:1/", 0s, {});

    EXPECT_EQ(seen.verdict, BootVerdict::failed);
    EXPECT_NE(seen.text.find("http:1/"), std::string::npos) << seen.text;
}

TEST(BootProbe, TriesEveryAddress) {
    const Greeter guest("220 mail\r\n");
    auto machine = machine_at("127.0.0.99");
    machine.nics.push_back({"m", "net", ""});
    machine.nics.push_back({"o", "net", "127.0.0.1"});

    EXPECT_EQ(quick().observe(machine, guest.probe(), 30s, {}).verdict, BootVerdict::booted);
}

TEST(BootProbe, WithoutAddressOrProbeNothingIsProven) {
    EXPECT_EQ(quick().observe(machine_at(""), "http:80/", 30s, {}).verdict, BootVerdict::not_proven);
    EXPECT_EQ(quick().observe(machine_at("127.0.0.1"), "", 30s, {}).verdict, BootVerdict::not_proven);
}

TEST(BootProbe, EndsWhenItIsStopped) {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(code_of([&] { quick().observe(machine_at("127.0.0.1"), "http:1/", 1h, stop.get_token()); }),
              ErrorCode::cancelled);
}

TEST(BootProbe, EndsWhenItIsStoppedBetweenTwoTries) {
    std::stop_source stop;
    std::jthread operator_who_stops([&] { stop.request_stop(); });

    EXPECT_EQ(code_of([&] {
                  BootProbe({.interval = 1h, .answer_limit = 50ms})
                      .observe(machine_at("127.0.0.1"), "http:1/", 1h, stop.get_token());
              }),
              ErrorCode::cancelled);
}

TEST(BootProbe, RefusesWhatIsNoProbe) {
    for (const char* probe :
         {"http", "http:", "http:0/", "http:65536/", "tcp:22/x", "icmp:1", "tcp:x", ":80", "http:8x/"}) {
        EXPECT_EQ(code_of([&] { BootProbe().check(probe); }), ErrorCode::invalid) << probe;
    }
    for (const char* probe : {"", "http:80", "http:8080/a/b?c=d", "tcp:22"}) {
        EXPECT_NO_THROW(BootProbe().check(probe)) << probe;
    }
}

}  // namespace
}  // namespace mk::oma

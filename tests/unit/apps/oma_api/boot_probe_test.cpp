#include "oma-api/boot_probe.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "http/server.hpp"
#include "os/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

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

std::optional<failover::CloudMachine> running(const CloudMachineId&, const std::stop_token&) {
    return machine_at("127.0.0.1");
}

BootProbe quick() {
    return BootProbe(running, {.interval = 1ms, .answer_limit = 50ms});
}

BootProbe patient() {
    return BootProbe(running);
}

failover::BootExpectation expecting(std::vector<std::string> probes, std::chrono::seconds limit,
                                    const std::string& text = "") {
    return {.probes = std::move(probes), .text = text, .limit = limit};
}

/// Of one probe, by its text.
std::vector<failover::BootObservation> seen_of(const failover::BootEvidence& evidence, const std::string& probe) {
    std::vector<failover::BootObservation> seen;
    std::copy_if(evidence.observations.begin(), evidence.observations.end(), std::back_inserter(seen),
                 [&](const auto& one) { return one.probe == probe; });
    return seen;
}

TEST(BootProbe, TakesTheAnswerOfAnHttpServerAsEvidence) {
    http::Server guest({}, [](const http::ServerRequest& request) {
        return http::ServerResponse{.content_type = "text/plain", .body = "marker " + request.path};
    });
    const auto probe = "http:" + std::to_string(guest.port()) + "/state";

    const auto seen = patient().observe(machine_at("127.0.0.1"), expecting({probe}, 30s), {});

    EXPECT_EQ(seen.verdict, BootVerdict::booted);
    EXPECT_NE(seen.text.find("HTTP 200"), std::string::npos) << seen.text;
    EXPECT_NE(seen.text.find("marker /state"), std::string::npos) << seen.text;
}

TEST(BootProbe, TakesTheGreetingOfATcpServiceAsEvidence) {
    const Greeter guest("SSH-2.0-OpenSSH\r\n");

    const auto seen = patient().observe(machine_at("127.0.0.1"), expecting({guest.probe()}, 30s), {});

    EXPECT_EQ(seen.verdict, BootVerdict::booted);
    EXPECT_NE(seen.text.find("SSH-2.0"), std::string::npos) << seen.text;
}

TEST(BootProbe, AConnectionWithoutAWordIsNoProof) {
    const Greeter forwarder("");

    EXPECT_EQ(quick().observe(machine_at("127.0.0.1"), expecting({forwarder.probe()}, 0s), {}).verdict,
              BootVerdict::failed);
}

TEST(BootProbe, AMachineThatDoesNotAnswerInTimeHasNotBooted) {
    const auto seen = quick().observe(machine_at("127.0.0.1"), expecting({"http:1/"}, 0s), {});

    EXPECT_EQ(seen.verdict, BootVerdict::failed);
    EXPECT_NE(seen.text.find("http:1/"), std::string::npos) << seen.text;
}

TEST(BootProbe, TriesEveryAddress) {
    const Greeter guest("220 mail\r\n");
    auto machine = machine_at("127.0.0.99");
    machine.nics.push_back({"m", "net", ""});
    machine.nics.push_back({"o", "net", "127.0.0.1"});

    EXPECT_EQ(quick().observe(machine, expecting({guest.probe()}, 30s), {}).verdict, BootVerdict::booted);
}

TEST(BootProbe, WithoutAddressOrProbeNothingIsProven) {
    EXPECT_EQ(quick().observe(machine_at(""), expecting({"http:80/"}, 30s), {}).verdict, BootVerdict::not_proven);
    const auto seen = quick().observe(machine_at("127.0.0.1"), expecting({}, 30s), {});
    EXPECT_EQ(seen.verdict, BootVerdict::not_proven);
    ASSERT_EQ(seen.observations.size(), 1U);
    EXPECT_EQ(seen.observations[0].probe, "cloudstack");
    EXPECT_FALSE(seen.observations[0].is_proof);
}

TEST(BootProbe, EndsWhenItIsStopped) {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(code_of([&] { quick().observe(machine_at("127.0.0.1"), expecting({"http:1/"}, 1h), stop.get_token()); }),
              ErrorCode::cancelled);
}

TEST(BootProbe, EndsWhenItIsStoppedBetweenTwoTries) {
    std::stop_source stop;
    std::jthread operator_who_stops([&] { stop.request_stop(); });

    EXPECT_EQ(code_of([&] {
                  BootProbe(running, {.interval = 1h, .answer_limit = 50ms})
                      .observe(machine_at("127.0.0.1"), expecting({"http:1/"}, 1h), stop.get_token());
              }),
              ErrorCode::cancelled);
}

TEST(BootProbe, EveryProbeMustAnswer) {
    const Greeter guest("SSH-2.0-OpenSSH\r\n");
    const auto seen = quick().observe(machine_at("127.0.0.1"), expecting({guest.probe(), "http:1/"}, 0s), {});
    EXPECT_EQ(seen.verdict, BootVerdict::failed);
    EXPECT_NE(seen.text.find("no answer to http:1/"), std::string::npos) << seen.text;
    EXPECT_EQ(seen.text.find("no answer to tcp"), std::string::npos) << seen.text;
    ASSERT_EQ(seen_of(seen, guest.probe()).size(), 1U);
    EXPECT_TRUE(seen_of(seen, guest.probe())[0].is_proof);
    ASSERT_EQ(seen_of(seen, "http:1/").size(), 1U);
    EXPECT_FALSE(seen_of(seen, "http:1/")[0].is_proof);
}

TEST(BootProbe, EachAnswerIsAnObservationWithItsTime) {
    const Greeter ssh("SSH-2.0-OpenSSH\r\n");
    const Greeter mail("220 mail\r\n");
    const auto before = SystemClock().now();
    const auto seen = quick().observe(machine_at("127.0.0.1"), expecting({ssh.probe(), mail.probe()}, 30s), {});
    ASSERT_EQ(seen.verdict, BootVerdict::booted);
    for (const auto* const greeter : {&ssh, &mail}) {
        const auto proofs = seen_of(seen, greeter->probe());
        ASSERT_EQ(proofs.size(), 1U);
        EXPECT_TRUE(proofs[0].is_proof);
        EXPECT_GE(proofs[0].when, before);
    }
    EXPECT_NE(seen.text.find("SSH-2.0"), std::string::npos) << seen.text;
    EXPECT_NE(seen.text.find("220 mail"), std::string::npos) << seen.text;
}

TEST(BootProbe, TheExpectedTextMustBeInTheAnswer) {
    const Greeter guest("SSH-2.0-OpenSSH\r\n");
    EXPECT_EQ(quick().observe(machine_at("127.0.0.1"), expecting({guest.probe()}, 30s, "OpenSSH"), {}).verdict,
              BootVerdict::booted);
    const auto other = quick().observe(machine_at("127.0.0.1"), expecting({guest.probe()}, 0s, "nginx"), {});
    EXPECT_EQ(other.verdict, BootVerdict::failed);
    EXPECT_NE(other.text.find("had no 'nginx'"), std::string::npos) << other.text;
    // What it said instead is kept.
    EXPECT_NE(seen_of(other, guest.probe()).front().text.find("OpenSSH"), std::string::npos);
}

TEST(BootProbe, AMachineThatStopsItselfHasFailedAtOnce) {
    BootProbe::Look stopped = [](const CloudMachineId&, const std::stop_token&) {
        auto machine = machine_at("127.0.0.1");
        machine.state = "Stopped";
        return std::optional(machine);
    };
    BootProbe::Look gone = [](const CloudMachineId&, const std::stop_token&) {
        return std::optional<failover::CloudMachine>();
    };
    for (const auto& look : {stopped, gone}) {
        BootProbe probe(look, {.interval = 1ms, .answer_limit = 50ms, .look = 0ms});
        const auto seen = probe.observe(machine_at("127.0.0.1"), expecting({"http:1/"}, 1h), {});
        EXPECT_EQ(seen.verdict, BootVerdict::failed);
        EXPECT_NE(seen.text.find("does not run any more"), std::string::npos) << seen.text;
        EXPECT_EQ(seen_of(seen, "cloudstack").size(), 2U);
    }
}

TEST(BootProbe, ACloudStackThatDoesNotAnswerSaysNothingOfTheMachine) {
    int looks = 0;
    BootProbe probe(
        [&](const CloudMachineId&, const std::stop_token&) -> std::optional<failover::CloudMachine> {
            if (++looks == 3) {
                auto stopped = machine_at("127.0.0.1");
                stopped.state = "Stopped";
                return stopped;
            }
            throw Error(ErrorCode::unavailable, "nobody answers");
        },
        {.interval = 1ms, .answer_limit = 50ms, .look = 0ms});
    EXPECT_EQ(probe.observe(machine_at("127.0.0.1"), expecting({"http:1/"}, 1h), {}).verdict, BootVerdict::failed);
    EXPECT_EQ(looks, 3);
}

TEST(BootProbe, AddressThatComesLaterIsTried) {
    const Greeter guest("SSH-2.0-OpenSSH\r\n");
    BootProbe probe(running, {.interval = 1ms, .answer_limit = 50ms, .look = 0ms});
    EXPECT_EQ(probe.observe(machine_at("127.0.0.99"), expecting({guest.probe()}, 30s), {}).verdict,
              BootVerdict::booted);
}

TEST(BootProbe, RefusesWhatIsNoProbe) {
    for (const char* probe : {"", "http", "http:", "http:0/", "http:65536/", "tcp:22/x", "icmp:1", "tcp:x", ":80",
                              "http:8x/", "ping:1", "http:80/a b", "http:80/\r\nHost: x"}) {
        EXPECT_EQ(code_of([&] { patient().check(expecting({"tcp:22", probe}, 1s)); }), ErrorCode::invalid) << probe;
    }
    for (const char* probe : {"http:80", "http:8080/a/b?c=d", "tcp:22"}) {
        EXPECT_NO_THROW(patient().check(expecting({probe}, 1s))) << probe;
    }
}

/// A program named ping that answers, or does not.
class PingTest : public testing::Test {
  protected:
    PingTest() : path_(std::getenv("PATH")) {}
    ~PingTest() override { ::setenv("PATH", path_.c_str(), 1); }
    void install(const std::string& script) {
        os::write_file_atomically(folder_ / "ping", "#!/bin/sh\necho \"$@\" > " + (folder_ / "asked") + "\n" + script,
                                  0700);
        ::setenv("PATH", (folder_.path() + ":" + path_).c_str(), 1);
    }
    test::TemporaryFolder folder_;
    std::string path_;
};

TEST_F(PingTest, AnAnswerIsAProof) {
    install("echo '64 bytes from 10.1.1.7: icmp_seq=1 ttl=64 time=0.1 ms'\n");
    EXPECT_NO_THROW(patient().check(expecting({"ping"}, 1s)));
    const auto seen = quick().observe(machine_at("10.1.1.7"), expecting({"ping"}, 30s), {});
    EXPECT_EQ(seen.verdict, BootVerdict::booted);
    EXPECT_NE(seen.text.find("64 bytes from 10.1.1.7"), std::string::npos) << seen.text;
    EXPECT_NE(os::read_file(folder_ / "asked", 1000).find("10.1.1.7"), std::string::npos);
}

TEST_F(PingTest, SilenceIsNone) {
    install("echo '1 packets transmitted, 0 received'\nexit 1\n");
    EXPECT_EQ(quick().observe(machine_at("10.1.1.7"), expecting({"ping"}, 0s), {}).verdict, BootVerdict::failed);
}

TEST_F(PingTest, WhatIsNoAddressIsNotHandedToAProgram) {
    install("echo '64 bytes from nowhere'\n");
    EXPECT_EQ(quick().observe(machine_at("-f"), expecting({"ping"}, 0s), {}).verdict, BootVerdict::failed);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "asked"));
}

TEST_F(PingTest, WithoutTheProgramThePackageIsNamed) {
    ::setenv("PATH", folder_.path().c_str(), 1);
    EXPECT_EQ(code_of([&] { patient().check(expecting({"ping"}, 1s)); }), ErrorCode::unavailable);
}

}  // namespace
}  // namespace mk::oma

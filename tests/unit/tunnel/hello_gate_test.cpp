#include "tunnel/hello_gate.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "hello_bytes.hpp"
#include "os/socket.hpp"
#include "support/error_of.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::seconds;
using test::bytes_of;

/// A gate that keeps what it was asked to pass on.
class Gate {
  public:
    explicit Gate(HelloGateOptions options)
        : gate_(os::listen_tcp("127.0.0.1", 0), std::move(options),
                [this](os::Descriptor socket, const std::string& protocol) {
                    const std::lock_guard lock(mutex_);
                    passed_.emplace_back(protocol, std::move(socket));
                    changed_.notify_all();
                }),
          thread_([this](const std::stop_token& stop) { gate_.run(stop); }) {}

    std::unique_ptr<os::ByteStream> connect() const { return os::connect_tcp("127.0.0.1", gate_.port(), seconds{5}); }

    std::pair<std::string, os::Descriptor> next() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, seconds{20}, [this] { return !passed_.empty(); })) {
            ADD_FAILURE() << "nothing was passed on";
            return {};
        }
        auto first = std::move(passed_.front());
        passed_.erase(passed_.begin());
        return first;
    }
    std::size_t passed() {
        const std::lock_guard lock(mutex_);
        return passed_.size();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::pair<std::string, os::Descriptor>> passed_;
    HelloGate gate_;
    std::jthread thread_;
};

/// True when the other side closes, whether politely or by a reset.
bool is_closed(os::ByteStream& stream) {
    stream.set_limit(seconds{20});
    std::array<std::byte, 1> buffer{};
    try {
        return stream.read_some(buffer) == 0;
    } catch (const Error& error) {
        return error.code() == ErrorCode::unavailable;
    }
}

class TheGate : public testing::Test {
  protected:
    static HelloGateOptions options() { return {.protocols = {"mk-nbd/1", "mk-digest/1"}}; }
    test::Site site{"vma"};
    const std::vector<std::byte> hello = test::hello_bytes(site, {"mk-nbd/1"});
};

TEST_F(TheGate, PassesAConnectionOnWithTheHelloUnread) {
    Gate gate(options());
    const auto client = gate.connect();
    client->write(std::span<const std::byte>(hello));
    auto [protocol, socket] = gate.next();
    EXPECT_EQ(protocol, "mk-nbd/1");
    std::vector<std::byte> read(hello.size());
    os::stream_on(std::move(socket))->read(read);
    EXPECT_EQ(read, hello);
}

TEST_F(TheGate, WaitsForAHelloThatComesInPieces) {
    Gate gate(options());
    const auto client = gate.connect();
    for (const auto& byte : hello) {
        EXPECT_EQ(gate.passed(), 0U);
        client->write(std::span(&byte, 1));
    }
    EXPECT_EQ(gate.next().first, "mk-nbd/1");
}

TEST_F(TheGate, ClosesWithoutAWordWhatIsNotServed) {
    Gate gate(options());
    const auto other = test::hello_bytes(site, {"h2", "http/1.1"});
    for (const auto& words : {bytes_of("GET / HTTP/1.1\r\n\r\n"), other, bytes_of(std::string(20'000, '\0'))}) {
        const auto client = gate.connect();
        client->write(std::span<const std::byte>(words));
        EXPECT_TRUE(is_closed(*client));
    }
    EXPECT_EQ(gate.passed(), 0U);
}

TEST_F(TheGate, ClosesWhoSaysNothingForTooLong) {
    auto impatient = options();
    impatient.patience = std::chrono::milliseconds{20};
    Gate gate(impatient);
    const auto silent = gate.connect();
    const auto half = gate.connect();
    half->write(std::span(hello).first(50));
    EXPECT_TRUE(is_closed(*silent));
    EXPECT_TRUE(is_closed(*half));
}

TEST_F(TheGate, ServesOthersWhileHundredsAreHalfOpen) {
    Gate gate(options());
    std::vector<std::unique_ptr<os::ByteStream>> flood;
    for (int i = 0; i < 300; ++i) {
        flood.push_back(gate.connect());
        if (i % 2 == 0) {
            flood.back()->write(std::span(hello).first(20));
        }
    }
    const auto client = gate.connect();
    client->write(std::span<const std::byte>(hello));
    EXPECT_EQ(gate.next().first, "mk-nbd/1");
}

TEST_F(TheGate, DropsTheOldestWhenTooManyAreHalfOpen) {
    auto small = options();
    small.max_waiting = 3;
    small.patience = seconds{600};
    Gate gate(small);
    std::vector<std::unique_ptr<os::ByteStream>> flood;
    for (int i = 0; i < 4; ++i) {
        flood.push_back(gate.connect());
    }
    EXPECT_TRUE(is_closed(*flood[0]));
    flood[1]->write(std::span<const std::byte>(hello));
    EXPECT_EQ(gate.next().first, "mk-nbd/1");
}

}  // namespace
}  // namespace mk::tunnel

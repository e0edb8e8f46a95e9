#include "os/byte_stream.hpp"

#include <array>
#include <csignal>
#include <filesystem>
#include <latch>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace mk::os {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds short_limit{30};
constexpr milliseconds long_limit{20'000};

/// Two ends of one connection.
struct Pair {
    Pair() {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw std::runtime_error("no socket pair");
        }
        left = stream_on(Descriptor(ends[0]));
        right = stream_on(Descriptor(ends[1]));
        left->set_limit(long_limit);
        right->set_limit(long_limit);
    }
    std::unique_ptr<ByteStream> left;
    std::unique_ptr<ByteStream> right;
};

std::vector<std::byte> pattern(std::size_t length) {
    std::vector<std::byte> data(length);
    for (std::size_t i = 0; i < length; ++i) {
        data[i] = static_cast<std::byte>(i * 31 % 253);
    }
    return data;
}

template <typename Action>
Error error_of(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    throw std::logic_error("no error");
}

TEST(ByteStream, BytesArriveInOrder) {
    const Pair pair;
    const auto data = pattern(16 * MiB + 3);  // more than the buffers hold
    const std::jthread writer([&] { pair.left->write(data); });
    std::vector<std::byte> got(data.size());
    pair.right->read(got);
    EXPECT_EQ(got, data);
}

TEST(ByteStream, ManyPiecesOfAllSizesAreOneText) {
    const Pair pair;
    const auto data = pattern(8 * MiB);
    std::vector<std::span<const std::byte>> pieces;
    std::size_t at = 0;
    for (std::size_t i = 0; at < data.size(); ++i) {
        const std::size_t length = std::min(i % 3 == 0 ? 0 : i * 197 % 50'000, data.size() - at);
        pieces.push_back(std::span(data).subspan(at, length));
        at += length;
    }
    const std::jthread writer([&] { pair.left->write(pieces); });
    std::vector<std::byte> got(data.size());
    pair.right->read(got);
    EXPECT_EQ(got, data);
}

TEST(ByteStream, NothingToWriteIsNothing) {
    const Pair pair;
    pair.left->write(std::span<const std::byte>());
    pair.left->write(std::span<const std::span<const std::byte>>());
    std::array<std::byte, 1> byte{};
    EXPECT_EQ(pair.right->read_now(byte), std::nullopt);
}

TEST(ByteStream, ReadSomeReturnsWhatIsThere) {
    const Pair pair;
    pair.left->write(pattern(5));
    std::array<std::byte, 100> buffer{};
    EXPECT_EQ(pair.right->read_some(buffer), 5U);
    EXPECT_EQ(pair.right->read_now(buffer), std::nullopt);
    pair.left->write(pattern(7));
    EXPECT_EQ(pair.right->read_now(buffer), 7U);
}

TEST(ByteStream, TheEndOfThePeer) {
    Pair pair;
    pair.left->write(pattern(3));
    pair.left.reset();
    std::array<std::byte, 10> buffer{};
    EXPECT_EQ(pair.right->read_some(buffer), 3U);
    EXPECT_EQ(pair.right->read_some(buffer), 0U);
    EXPECT_EQ(pair.right->read_now(buffer), 0U);
    EXPECT_EQ(error_of([&] { pair.right->read(buffer); }).code(), ErrorCode::unavailable);
}

TEST(ByteStream, WritingToAClosedPeerIsAnErrorAndNoSignal) {
    Pair pair;
    pair.left.reset();
    EXPECT_EQ(error_of([&] { pair.right->write(pattern(10)); }).code(), ErrorCode::unavailable);
}

TEST(ByteStream, SilenceIsATimeout) {
    const Pair pair;
    pair.right->set_limit(short_limit);
    std::array<std::byte, 10> buffer{};
    EXPECT_EQ(error_of([&] { pair.right->read_some(buffer); }).code(), ErrorCode::timeout);
}

TEST(ByteStream, APeerThatTakesNothingIsATimeoutAndTheWaitIsCounted) {
    const Pair pair;
    EXPECT_EQ(pair.left->write_wait().count(), 0);
    pair.left->set_limit(short_limit);
    const auto data = pattern(64 * MiB);
    EXPECT_EQ(error_of([&] { pair.left->write(data); }).code(), ErrorCode::timeout);
}

TEST(ByteStream, WaitingToWriteIsMeasured) {
    const Pair pair;
    const auto data = pattern(64 * MiB);
    std::jthread writer([&] { pair.left->write(data); });
    std::vector<std::byte> got(data.size());
    pair.right->read(got);
    writer.join();
    EXPECT_GT(pair.left->write_wait().count(), 0) << "the buffers cannot hold that much";
    EXPECT_EQ(pair.right->write_wait().count(), 0);
}

TEST(ByteStream, ShutDownEndsARunningRead) {
    const Pair pair;
    std::latch started(1);
    std::jthread reader([&] {
        std::array<std::byte, 10> buffer{};
        started.count_down();
        EXPECT_EQ(error_of([&] { pair.right->read_some(buffer); }).code(), ErrorCode::unavailable);
    });
    started.wait();
    pair.right->shut_down();
}

TEST(ByteStream, ShutDownEndsARunningWrite) {
    const Pair pair;
    const auto data = pattern(64 * MiB);
    std::latch started(1);
    std::jthread writer([&] {
        started.count_down();
        EXPECT_EQ(error_of([&] { pair.left->write(data); }).code(), ErrorCode::unavailable);
    });
    started.wait();
    pair.left->shut_down();
}

TEST(ByteStream, AfterShutDownNothingWorks) {
    const Pair pair;
    pair.left->write(pattern(3));
    pair.right->shut_down();
    pair.right->shut_down();
    std::array<std::byte, 10> buffer{};
    EXPECT_EQ(error_of([&] { pair.right->read_some(buffer); }).code(), ErrorCode::unavailable)
        << "even what had arrived";
    EXPECT_EQ(error_of([&] { pair.right->read_now(buffer); }).code(), ErrorCode::unavailable);
    EXPECT_EQ(error_of([&] { pair.right->write(buffer); }).code(), ErrorCode::unavailable);
}

/// SIGUSR1 interrupts calls and does nothing else.
class QuietSignal {
  public:
    QuietSignal() {
        struct sigaction quiet{};
        quiet.sa_handler = [](int) {};
        ::sigaction(SIGUSR1, &quiet, &before_);
    }
    ~QuietSignal() { ::sigaction(SIGUSR1, &before_, nullptr); }
    QuietSignal(const QuietSignal&) = delete;
    QuietSignal& operator=(const QuietSignal&) = delete;

  private:
    struct sigaction before_{};
};

TEST(ByteStream, SignalsDoNotDisturb) {
    const QuietSignal quiet;  // outlives the thread that sends it
    const Pair pair;
    const auto data = pattern(32 * MiB);
    std::vector<std::byte> got(data.size());
    std::latch done(2);
    std::jthread reader([&] {
        pair.right->read(got);
        done.count_down();
    });
    std::jthread writer([&] {
        pair.left->write(data);
        done.count_down();
    });
    std::jthread disturber([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            ::pthread_kill(reader.native_handle(), SIGUSR1);
            ::pthread_kill(writer.native_handle(), SIGUSR1);
            std::this_thread::yield();
        }
    });
    done.wait();
    disturber.request_stop();
    disturber.join();  // before the threads that it sends to
    EXPECT_EQ(got, data);
}

/// A listening socket that accepts when told to.
class Listener {
  public:
    explicit Listener(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        listen(reinterpret_cast<const sockaddr*>(&address), sizeof address, 0);
    }
    Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listen(reinterpret_cast<const sockaddr*>(&address), sizeof address, 16);
    }
    std::uint16_t port() const {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
        return ntohs(address.sin_port);
    }
    std::unique_ptr<ByteStream> accept() const {
        return stream_on(Descriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
    }

  private:
    void listen(const sockaddr* address, socklen_t size, int queue) const {
        if (::bind(socket_.get(), address, size) != 0 || ::listen(socket_.get(), queue) != 0) {
            throw std::runtime_error("cannot listen");
        }
    }
    Descriptor socket_;
};

class UnixPath : public testing::Test {
  protected:
    ~UnixPath() override { std::filesystem::remove(path); }
    const std::string path = std::filesystem::temp_directory_path() / ("mk-stream-" + random_hex(6));
};

void expect_connected(ByteStream& client, ByteStream& server) {
    client.write(pattern(100));
    std::vector<std::byte> got(100);
    server.read(got);
    EXPECT_EQ(got, pattern(100));
}

TEST_F(UnixPath, Connects) {
    const Listener listener(path);
    const auto client = connect_unix(path, long_limit);
    expect_connected(*client, *listener.accept());
}

TEST_F(UnixPath, NobodyThereIsNamed) {
    const auto error = error_of([&] { connect_unix(path, long_limit); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find(path), std::string::npos);
    EXPECT_EQ(error_of([&] { connect_unix(std::string(200, 'x'), long_limit); }).code(), ErrorCode::invalid);
    EXPECT_EQ(error_of([&] { connect_unix("", long_limit); }).code(), ErrorCode::invalid);
}

/// Fills the queue of a listener that accepts nobody.
std::vector<std::unique_ptr<ByteStream>> fill_queue(const std::string& path) {
    std::vector<std::unique_ptr<ByteStream>> waiting;
    try {
        while (waiting.size() < 10) {
            waiting.push_back(connect_unix(path, short_limit));
        }
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::unavailable);
    }
    return waiting;
}

TEST_F(UnixPath, AFullQueueIsWaitedForUntilTheLimit) {
    const Listener listener(path);
    const auto waiting = fill_queue(path);
    EXPECT_LT(waiting.size(), 10U);
    std::jthread accepting([&] { listener.accept(); });
    EXPECT_NO_THROW(connect_unix(path, long_limit));
}

TEST_F(UnixPath, AStopRequestEndsConnecting) {
    const Listener listener(path);
    const auto waiting = fill_queue(path);
    std::stop_source stop;
    std::jthread connecting([&] {
        EXPECT_EQ(error_of([&] { connect_unix(path, long_limit, stop.get_token()); }).code(), ErrorCode::cancelled);
    });
    stop.request_stop();
}

TEST(Tcp, ConnectsByAddressAndByName) {
    const Listener listener;
    for (const char* host : {"127.0.0.1", "localhost"}) {
        const auto client = connect_tcp(host, listener.port(), long_limit);
        expect_connected(*client, *listener.accept());
    }
}

TEST(Tcp, NobodyThereIsNamed) {
    const auto error = error_of([] { connect_tcp("127.0.0.1", 1, long_limit); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("127.0.0.1:1"), std::string::npos);
    const auto unknown = error_of([] { connect_tcp("name.invalid", 1, long_limit); });
    EXPECT_EQ(unknown.code(), ErrorCode::unavailable);
    EXPECT_NE(unknown.cause().find("name.invalid:1"), std::string::npos);
}

TEST(Tcp, AStopRequestThatCameBeforeIsObeyed) {
    std::stop_source stop;
    stop.request_stop();
    const Listener listener;
    EXPECT_EQ(error_of([&] { connect_tcp("name.invalid", 1, long_limit, stop.get_token()); }).code(),
              ErrorCode::cancelled);
}

}  // namespace
}  // namespace mk::os

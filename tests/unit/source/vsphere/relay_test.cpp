#include "source/vsphere/relay.hpp"

#include <array>
#include <cstring>
#include <filesystem>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/retry.hpp"
#include "source/vsphere/private_folder.hpp"

namespace mk::vsphere {
namespace {

/// Takes one connection, answers everything it reads with the same bytes until the end, then says "bye".
class EchoServer {
  public:
    EchoServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(listener_.get(), 4), 0);
        EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::jthread([this] { serve(); });
    }
    ~EchoServer() { ::shutdown(listener_.get(), SHUT_RDWR); }
    std::uint16_t port() const { return port_; }

  private:
    void serve() const {
        const os::Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        std::array<char, 4096> piece{};
        for (ssize_t got = 0; (got = ::recv(client.get(), piece.data(), piece.size(), 0)) > 0;) {
            ::send(client.get(), piece.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
        }
        ::send(client.get(), "bye", 3, MSG_NOSIGNAL);
    }

    os::Descriptor listener_;
    std::uint16_t port_ = 0;
    std::jthread thread_;
};

os::Descriptor connect_to(const std::string& path) {
    os::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
}

std::string receive_all(int fd) {
    std::string text;
    std::array<char, 4096> piece{};
    for (ssize_t got = 0; (got = ::recv(fd, piece.data(), piece.size(), 0)) > 0;) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    return text;
}

TEST(Relay_, CarriesBytesBothWaysAndTheEndOfEach) {
    const PrivateFolder folder;
    const EchoServer server;
    const Relay relay(folder.file("relay.sock"), "127.0.0.1", server.port());
    const auto client = connect_to(relay.socket_path());
    std::string sent(3'000'000, 'x');
    sent[1'234'567] = 'y';
    std::string received;
    std::jthread reader([&] { received = receive_all(client.get()); });
    std::size_t done = 0;
    while (done < sent.size()) {
        const auto now = ::send(client.get(), sent.data() + done, sent.size() - done, MSG_NOSIGNAL);
        ASSERT_GT(now, 0);
        done += static_cast<std::size_t>(now);
    }
    ::shutdown(client.get(), SHUT_WR);
    reader.join();
    EXPECT_TRUE(received == sent + "bye");
}

TEST(Relay_, ClosesTheClientWhenNobodyListens) {
    const PrivateFolder folder;
    std::uint16_t port = 0;
    {
        const EchoServer gone;
        port = gone.port();
    }
    const Relay relay(folder.file("relay.sock"), "127.0.0.1", port);
    const auto client = connect_to(relay.socket_path());
    EXPECT_EQ(receive_all(client.get()), "");
}

std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

/// Otherwise it would spin until a server that has vanished times out.
TEST(Relay_, DropsAConnectionWhoseClientIsGoneAlthoughTheServerStays) {
    const PrivateFolder folder;
    const os::Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    const Relay relay(folder.file("relay.sock"), "127.0.0.1", ntohs(address.sin_port));
    auto client = connect_to(relay.socket_path());
    ASSERT_EQ(::send(client.get(), "a", 1, MSG_NOSIGNAL), 1);
    const os::Descriptor server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::array<char, 1> one{};
    ASSERT_EQ(::recv(server.get(), one.data(), 1, MSG_WAITALL), 1);
    const auto before = open_descriptors();
    client.close();
    EXPECT_NO_THROW(wait_until([&] { return open_descriptors() == before - 3; }, std::chrono::milliseconds{2},
                               std::chrono::seconds{20}, {}, "the relay kept the connection"));
}

TEST(Relay_, EndsWithOpenConnections) {
    const PrivateFolder folder;
    const EchoServer server;
    os::Descriptor client;
    {
        const Relay relay(folder.file("relay.sock"), "127.0.0.1", server.port());
        client = connect_to(relay.socket_path());
        ::send(client.get(), "a", 1, MSG_NOSIGNAL);
        std::array<char, 1> one{};
        EXPECT_EQ(::recv(client.get(), one.data(), 1, MSG_WAITALL), 1);
    }
    EXPECT_EQ(receive_all(client.get()), "");
}

}  // namespace
}  // namespace mk::vsphere

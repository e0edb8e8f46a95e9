#pragma once
// The other side of a connection, as bytes: a raw client, and a server whose behaviour a test writes down itself.
// Every read gives up after a time limit, so that a broken program fails a test instead of hanging it.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace mk::http::testing {

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

/// A connected socket.
class RawConnection {
  public:
    explicit RawConnection(std::uint16_t port)
        : RawConnection(adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))) {
        const auto address = loopback(port);
        if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
            throw std::runtime_error("cannot connect to the server under test");
        }
    }
    static RawConnection adopt(int fd) {
        const timeval limit{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        RawConnection connection;
        connection.fd_ = fd;
        return connection;
    }
    RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    RawConnection& operator=(RawConnection&&) = delete;
    ~RawConnection() { close(); }

    int fd() const { return fd_; }
    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }
    /// False when the peer does not take it any more.
    bool send(std::string_view text) const {
        while (!text.empty()) {
            const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return false;
            }
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    /// What arrives until `end` has been seen (included), or until the peer closes. Not a byte more is taken.
    std::string read_until(std::string_view end) {
        std::string text;
        char c = 0;
        while (::recv(fd_, &c, 1, 0) == 1) {
            text += c;
            if (text.ends_with(end)) {
                break;
            }
        }
        return text;
    }
    std::string read_to_end() {
        std::string text;
        std::array<char, 65536> piece{};
        for (ssize_t got = 0; (got = ::recv(fd_, piece.data(), piece.size(), 0)) > 0;) {
            text.append(piece.data(), static_cast<std::size_t>(got));
        }
        return text;
    }
    /// Head, and the body that Content-Length announces.
    std::string read_message() {
        auto text = read_until("\r\n\r\n");
        const auto field = text.find("Content-Length: ");
        if (field == std::string::npos) {
            return text;
        }
        auto left = std::strtoul(text.c_str() + field + 16, nullptr, 10);
        for (char c = 0; left > 0 && ::recv(fd_, &c, 1, 0) == 1; --left) {
            text += c;
        }
        return text;
    }
    /// True when the peer closed the connection, by end of file or reset, and sent nothing before.
    bool is_closed_by_peer() const {
        char c = 0;
        const auto got = ::recv(fd_, &c, 1, 0);
        return got == 0 || (got < 0 && errno == ECONNRESET);
    }

  private:
    RawConnection() = default;
    int fd_ = -1;
};

/// Listens on 127.0.0.1, or at a unix socket, and gives each connection, one after the other, to the script.
class ScriptedPeer {
  public:
    using Script = std::function<void(RawConnection&)>;

    explicit ScriptedPeer(Script script) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        auto address = loopback(0);
        socklen_t size = sizeof(address);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 16) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
            throw std::runtime_error("cannot listen");
        }
        port_ = ntohs(address.sin_port);
        serve(std::move(script));
    }
    /// At a unix socket, which must not exist yet.
    ScriptedPeer(const std::string& path, Script script) : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
            ::listen(listener_, 16) != 0) {
            throw std::runtime_error("cannot listen at " + path);
        }
        serve(std::move(script));
    }
    ~ScriptedPeer() {
        stop();
        ::close(listener_);
    }
    ScriptedPeer(const ScriptedPeer&) = delete;
    ScriptedPeer& operator=(const ScriptedPeer&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url(const std::string& scheme = "http") const {
        return scheme + "://127.0.0.1:" + std::to_string(port_);
    }
    /// Accepts no more and returns when the script has ended.
    void stop() {
        ::shutdown(listener_, SHUT_RDWR);
        if (thread_.joinable()) {
            thread_.join();
        }
    }

  private:
    void serve(Script script) {
        thread_ = std::jthread([this, script = std::move(script)] {
            for (;;) {
                const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
                if (fd < 0) {
                    return;
                }
                auto connection = RawConnection::adopt(fd);
                script(connection);
            }
        });
    }

    int listener_;
    std::uint16_t port_ = 0;
    std::jthread thread_;
};

}  // namespace mk::http::testing

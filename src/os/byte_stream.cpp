#include "os/byte_stream.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/error.hpp"
#include "os/socket.hpp"

namespace mk::os {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds initial_limit{120'000};

/// How many pieces go into one call. Twice the requests that a channel keeps in flight; longer lists take several
/// calls.
constexpr std::size_t pieces_per_call = 64;

Error broken(std::string_view what, int error_number) {
    return Error(ErrorCode::unavailable, std::string(what) + ": " + std::system_category().message(error_number),
                 {.retry_safe = true})
        .with_native(std::to_string(error_number));
}

/// Of a unix socket: decouples the two ends by several requests; 1 to 4 MiB were equally good. Without the privilege
/// the kernel's limit applies.
constexpr int socket_buffer = 4 << 20;

/// What the kernel may hold over TCP beyond what is on its way: a cut loses no more than that, and who waits for the
/// line knows it.
constexpr int most_unsent = 512 << 10;

void enlarge_buffer(int socket, int forced_option, int plain_option) {
    if (::setsockopt(socket, SOL_SOCKET, forced_option, &socket_buffer, sizeof socket_buffer) != 0) {
        ::setsockopt(socket, SOL_SOCKET, plain_option, &socket_buffer, sizeof socket_buffer);
    }
}

/// All options are improvements; a kernel that refuses one costs speed only. Over TCP the kernel sizes the buffers
/// better than a constant does: it knows the line, and small ones stay in the processor's cache.
void tune(int socket) {
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size);
    if (family == AF_INET || family == AF_INET6) {
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most_unsent, sizeof most_unsent);
    } else {
        enlarge_buffer(socket, SO_SNDBUFFORCE, SO_SNDBUF);
        enlarge_buffer(socket, SO_RCVBUFFORCE, SO_RCVBUF);
    }
}

/// What is still to be sent of a list of pieces.
class Pending {
  public:
    explicit Pending(std::span<const std::span<const std::byte>> pieces) : pieces_(pieces) { skip_empty(); }

    bool empty() const { return pieces_.empty(); }

    std::size_t fill(std::span<iovec> list) const {
        std::size_t count = 0;
        for (const auto piece : pieces_.first(std::min(pieces_.size(), list.size()))) {
            const auto left = count == 0 ? piece.subspan(sent_of_first_) : piece;
            // The interface of sendmsg() has no const; it only reads.
            list[count++] = {const_cast<std::byte*>(left.data()), left.size()};
        }
        return count;
    }

    void advance(std::size_t sent) {
        while (sent > 0) {
            const std::size_t left = pieces_.front().size() - sent_of_first_;
            if (sent < left) {
                sent_of_first_ += sent;
                return;
            }
            sent -= left;
            pop();
        }
        skip_empty();
    }

  private:
    void pop() {
        pieces_ = pieces_.subspan(1);
        sent_of_first_ = 0;
    }
    void skip_empty() {
        while (!pieces_.empty() && pieces_.front().size() == sent_of_first_) {
            pop();
        }
    }

    std::span<const std::span<const std::byte>> pieces_;
    std::size_t sent_of_first_ = 0;
};

/// Every call is tried first and waits only when the kernel says so: on a fast connection nothing but the copying
/// remains.
class SocketStream : public ByteStream {
  public:
    explicit SocketStream(Descriptor socket) : socket_(std::move(socket)) {}

    void write(std::span<const std::span<const std::byte>> pieces) override {
        Pending pending(pieces);
        std::array<iovec, pieces_per_call> list;
        while (!pending.empty()) {
            msghdr message{};
            message.msg_iov = list.data();
            message.msg_iovlen = pending.fill(list);
            const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent >= 0) {
                pending.advance(static_cast<std::size_t>(sent));
            } else {
                check_may_retry("the connection does not take data", errno);
                wait_writable();
            }
        }
    }

    std::size_t read_some(std::span<std::byte> buffer) override {
        while (true) {
            if (const auto got = read_now(buffer)) {
                return *got;
            }
            wait(POLLIN, "no data came");
        }
    }

    std::optional<std::size_t> read_now(std::span<std::byte> buffer) override {
        while (true) {
            const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            const int error_number = errno;
            check_open();
            if (got >= 0) {
                return static_cast<std::size_t>(got);
            }
            check_may_retry("the connection gives no data", error_number);
            if (error_number != EINTR) {
                return std::nullopt;
            }
        }
    }

    void set_limit(milliseconds limit) override { limit_ = limit; }

    void shut_down() noexcept override {
        is_shut_down_ = true;
        ::shutdown(socket_.get(), SHUT_RDWR);
    }

    std::chrono::nanoseconds write_wait() const override { return write_wait_; }

  private:
    void check_open() const {
        if (is_shut_down_) {
            throw Error(ErrorCode::unavailable, "the connection was shut down", {.retry_safe = true});
        }
    }

    void check_may_retry(std::string_view what, int error_number) const {
        if (error_number != EAGAIN && error_number != EWOULDBLOCK && error_number != EINTR) {
            check_open();
            throw broken(what, error_number);
        }
    }

    void wait_writable() {
        const auto begun = steady_clock::now();
        wait(POLLOUT, "the peer took no data");
        write_wait_ += steady_clock::now() - begun;
    }

    /// Until the event or an end of the connection, which the next call then tells.
    void wait(short events, std::string_view what) const {
        const auto deadline = steady_clock::now() + limit_;
        while (true) {
            const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
            pollfd entry{socket_.get(), events, 0};
            const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX)));
            if (ready > 0) {
                return;
            }
            if (ready < 0 && errno != EINTR) {
                throw broken("cannot wait for the connection", errno);
            }
            if (ready == 0 && steady_clock::now() >= deadline) {
                throw Error(ErrorCode::timeout, std::string(what) + " for " + std::to_string(limit_.count()) + " ms",
                            {.retry_safe = true});
            }
        }
    }

    const Descriptor socket_;
    milliseconds limit_ = initial_limit;
    std::chrono::nanoseconds write_wait_{0};
    std::atomic<bool> is_shut_down_ = false;
};

}  // namespace

std::optional<std::size_t> ByteStream::read_now(std::span<std::byte> /*buffer*/) {
    return std::nullopt;
}

void ByteStream::write(std::span<const std::byte> data) {
    const std::array pieces{data};
    write(std::span<const std::span<const std::byte>>(pieces));
}

void ByteStream::read(std::span<std::byte> buffer) {
    while (!buffer.empty()) {
        const std::size_t got = read_some(buffer);
        if (got == 0) {
            throw Error(ErrorCode::unavailable, "the peer closed the connection", {.retry_safe = true});
        }
        buffer = buffer.subspan(got);
    }
}

std::unique_ptr<ByteStream> stream_on(Descriptor socket) {
    tune(socket.get());
    return std::make_unique<SocketStream>(std::move(socket));
}

std::unique_ptr<ByteStream> connect_unix(const std::string& path, std::chrono::milliseconds limit,
                                         const std::stop_token& stop) {
    return stream_on(connect_unix_socket(path, limit, stop));
}

std::unique_ptr<ByteStream> connect_tcp(const std::string& host, std::uint16_t port, std::chrono::milliseconds limit,
                                        const std::stop_token& stop) {
    return stream_on(connect_tcp_socket(host, port, limit, stop));
}

}  // namespace mk::os

#include "tunnel/splice.hpp"

#include <array>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include "base/bytes.hpp"
#include "base/error.hpp"

namespace mk::tunnel {
namespace {

class Splice {
  public:
    Splice(TlsStream& stream, int socket, os::Descriptor local, std::chrono::milliseconds idle_limit,
           Metrics::Protocol& counted)
        : stream_(stream),
          socket_(socket),
          local_socket_(local.get()),
          local_(os::stream_on(std::move(local))),
          idle_limit_(idle_limit),
          counted_(counted),
          buffer_(64 * KiB) {}

    void run() {
        while (!is_over_ && (stream_is_open_ || local_is_open_)) {
            // What follows a good-bye is nobody's input.
            const bool has_input = stream_is_open_ && stream_.has_input();
            if (!has_input && !wait()) {
                return;
            }
            if (stream_is_open_) {
                from_stream();
            }
            if (local_is_open_) {
                from_local();
            }
        }
    }

  private:
    /// False when nothing came for too long.
    bool wait() {
        // A negative descriptor is not looked at. Without POLLIN a socket still tells that it was shut down or reset.
        std::array<pollfd, 2> entries{{{socket_, static_cast<short>(stream_is_open_ ? POLLIN : 0), 0},
                                       {local_is_open_ || stream_is_open_ ? local_socket_ : -1,
                                        static_cast<short>(local_is_open_ ? POLLIN : 0), 0}}};
        const int ready = ::poll(entries.data(), entries.size(), static_cast<int>(idle_limit_.count()));
        if (!stream_is_open_ && (entries[0].revents & (POLLHUP | POLLERR)) != 0) {
            throw Error(ErrorCode::unavailable, "the connection was cut after the peer had said all",
                        {.retry_safe = true});
        }
        // The local side is gone altogether (not only its writing side): nobody is left to hear an answer.
        is_over_ = !local_is_open_ && (entries[1].revents & (POLLHUP | POLLERR)) != 0;
        return ready != 0;
    }

    void from_stream() {
        const auto got = stream_.read_now(buffer_);
        if (got && *got > 0) {
            counted_.payload.received += *got;
            counted_.wire.received += *got;
            local_->write(std::span<const std::byte>(buffer_).first(*got));
        } else if (got) {
            stream_is_open_ = false;
            ::shutdown(local_socket_, SHUT_WR);
        }
    }

    void from_local() {
        const auto got = local_->read_now(buffer_);
        if (got && *got > 0) {
            counted_.payload.sent += *got;
            counted_.wire.sent += *got;
            static_cast<os::ByteStream&>(stream_).write(std::span<const std::byte>(buffer_).first(*got));
        } else if (got) {
            local_is_open_ = false;
            stream_.finish_writing();
        }
    }

    TlsStream& stream_;
    const int socket_;
    const int local_socket_;
    std::unique_ptr<os::ByteStream> local_;
    const std::chrono::milliseconds idle_limit_;
    Metrics::Protocol& counted_;
    std::vector<std::byte> buffer_;
    bool stream_is_open_ = true;
    bool local_is_open_ = true;
    bool is_over_ = false;
};

}  // namespace

void splice(TlsStream& stream, int socket, os::Descriptor local, std::chrono::milliseconds idle_limit,
            Metrics::Protocol& counted) {
    Splice(stream, socket, std::move(local), idle_limit, counted).run();
}

}  // namespace mk::tunnel

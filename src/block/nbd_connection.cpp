#include "block/nbd_connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.hpp"

namespace mk::block {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// The wire's habit for requests with payload, and what servers take that announce nothing.
constexpr Bytes habitual_maximum = 32 * MiB;
/// A request without payload may be as large as 4 GiB, but a server without fast zeroing writes it out within our time
/// limit.
constexpr Bytes longest_zero = 128 * MiB;
/// Enough to keep both ends busy on a local socket; more gains nothing there (measured).
constexpr std::size_t most_in_flight = 4;

ErrorCode code_of(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT:
            return ErrorCode::exhausted;
        case EPERM:
        case EROFS:
            return ErrorCode::conflict;
        case ESHUTDOWN:
        case ENOTCONN:
        case ECONNRESET:
        case ECONNREFUSED:
        case EPIPE:
            return ErrorCode::unavailable;
        default:
            return ErrorCode::external;
    }
}

/// The address without query: that is where a socket path stands, which says nothing to an administrator.
std::string peer_of(const std::string& uri) {
    return uri.substr(0, uri.find('?'));
}

std::string last_words() {
    const char* text = nbd_get_error();
    return text == nullptr ? "no reason given" : text;
}

}  // namespace

/// Wakes poll() when a stop is requested.
class NbdConnection::Stopper {
  public:
    explicit Stopper(const std::stop_token& stop) : callback_(stop, [this] { ::eventfd_write(event_.number, 1); }) {}
    int event() const { return event_.number; }

  private:
    struct Event {
        Event() : number(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
        ~Event() { ::close(number); }
        Event(const Event&) = delete;
        Event& operator=(const Event&) = delete;
        int number;
    };
    Event event_;
    std::stop_callback<std::function<void()>> callback_;  // last: it must go before the event
};

NbdConnection::NbdConnection(const std::string& uri, const NbdOptions& options, const std::stop_token& stop)
    : handle_(nbd_create()), peer_(peer_of(uri)), options_(options) {
    if (handle_ == nullptr) {
        throw Error(ErrorCode::internal, "cannot make an NBD handle: " + last_words());
    }
    try {
        const Stopper stopper(stop);
        connect(uri, stopper);
        open_export(stopper);
        learn_limits();
    } catch (...) {
        close();
        throw;
    }
}

NbdConnection::~NbdConnection() {
    if (handle_ != nullptr && nbd_aio_is_ready(handle_) == 1) {
        // A polite end lets the server drop its state at once; it is not waited for beyond what the socket takes.
        nbd_aio_disconnect(handle_, 0);
    }
    close();
}

void NbdConnection::close() {
    if (handle_ != nullptr) {
        nbd_close(handle_);
        handle_ = nullptr;
    }
}

nbd_handle* NbdConnection::handle() const {
    if (handle_ == nullptr) {
        throw Error(ErrorCode::unavailable, "the connection to " + peer_ + " is closed", {.retry_safe = true});
    }
    return handle_;
}

void NbdConnection::connect(const std::string& uri, const Stopper& stopper) {
    nbd_set_uri_allow_transports(handle_, LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX);
    nbd_add_meta_context(handle_, LIBNBD_CONTEXT_BASE_ALLOCATION);
    nbd_set_opt_mode(handle_, true);
    const auto deadline = steady_clock::now() + options_.limit;
    if (nbd_aio_connect_uri(handle_, uri.c_str()) == -1) {
        const bool is_address_wrong = nbd_get_errno() == EINVAL;
        throw Error(is_address_wrong ? ErrorCode::invalid : ErrorCode::unavailable,
                    fmt::format("cannot connect to {}: {}", peer_, last_words()), {.retry_safe = true});
    }
    while (nbd_aio_is_connecting(handle_) == 1) {
        step("connect", stopper, deadline);
    }
    if (nbd_aio_is_negotiating(handle_) != 1 && nbd_aio_is_ready(handle_) != 1) {
        throw Error(ErrorCode::unavailable, fmt::format("cannot connect to {}: {}", peer_, last_words()),
                    {.retry_safe = true});
    }
}

void NbdConnection::open_export(const Stopper& stopper) {
    if (nbd_aio_is_ready(handle_) == 1) {
        return;  // an old server without option phase
    }
    int outcome = 0;
    const nbd_completion_callback done{.callback =
                                           [](void* user, int* error) {
                                               *static_cast<int*>(user) = *error;
                                               return 0;
                                           },
                                       .user_data = &outcome,
                                       .free = nullptr};
    const auto deadline = steady_clock::now() + options_.limit;
    bool is_refused = nbd_aio_opt_go(handle_, done) == -1;
    while (!is_refused && nbd_aio_is_connecting(handle_) == 1) {
        step("open the export", stopper, deadline);
    }
    is_refused = is_refused || outcome != 0 || nbd_aio_is_ready(handle_) != 1;
    if (is_refused) {
        const bool is_unknown = outcome == ENOENT || nbd_aio_is_negotiating(handle_) == 1;
        throw Error(is_unknown ? ErrorCode::not_found : ErrorCode::unavailable,
                    fmt::format("the server of {} does not offer this export ({})", peer_,
                                outcome == 0 ? "connection closed" : std::strerror(outcome)));
    }
}

void NbdConnection::learn_limits() {
    const std::int64_t size = nbd_get_size(handle_);
    if (size < 0) {
        throw Error(ErrorCode::external, fmt::format("{} does not tell its size: {}", peer_, last_words()));
    }
    capacity_ = static_cast<Bytes>(size);
    const std::int64_t announced = nbd_get_block_size(handle_, LIBNBD_SIZE_MAXIMUM);
    const Bytes limit = announced > 0 ? static_cast<Bytes>(announced) : habitual_maximum;
    max_request_ = std::max<Bytes>(std::min({options_.max_request, limit, habitual_maximum}), 512);
    max_zero_request_ = announced > 0 ? std::min(limit, longest_zero) : longest_zero;
}

void NbdConnection::step(const char* what, const Stopper& stopper, steady_clock::time_point deadline) {
    const unsigned direction = nbd_aio_get_direction(handle_);
    short events = 0;
    events = static_cast<short>(events | ((direction & LIBNBD_AIO_DIRECTION_READ) != 0 ? POLLIN : 0));
    events = static_cast<short>(events | ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 ? POLLOUT : 0));
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    std::array<pollfd, 2> polled{{{nbd_aio_get_fd(handle_), events, 0}, {stopper.event(), POLLIN, 0}}};
    const int ready =
        ::poll(polled.data(), polled.size(), static_cast<int>(std::clamp<milliseconds::rep>(left, 0, 3'600'000)));
    if (ready < 0 && errno != EINTR) {
        throw Error(ErrorCode::internal, fmt::format("cannot wait for {}: {}", peer_, std::strerror(errno)));
    }
    if (polled[1].revents != 0) {
        close();
        throw Error(ErrorCode::cancelled, fmt::format("{} was stopped at {}", what, peer_));
    }
    if (ready == 0 && left <= 0) {
        close();
        throw Error(ErrorCode::timeout,
                    fmt::format("{}: no answer from {} within {} s", what, peer_,
                                std::chrono::duration_cast<std::chrono::seconds>(options_.limit).count()));
    }
    const int seen = polled[0].revents;
    int outcome = 0;
    if ((seen & (POLLIN | POLLHUP)) != 0 && (direction & LIBNBD_AIO_DIRECTION_READ) != 0) {
        outcome = nbd_aio_notify_read(handle_);
    } else if ((seen & POLLOUT) != 0 && (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) {
        outcome = nbd_aio_notify_write(handle_);
    } else if ((seen & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        outcome = -1;
    }
    if (outcome == -1) {
        const std::string words = last_words();
        close();
        throw Error(ErrorCode::unavailable, fmt::format("{}: the connection to {} was lost ({})", what, peer_, words),
                    {.retry_safe = true});
    }
}

void NbdConnection::fail(const char* what, Bytes offset) {
    const int error_number = nbd_get_errno();
    const std::string words = last_words();
    close();
    throw Error(code_of(error_number), fmt::format("{} at offset {} of {} failed: {}", what, offset, peer_, words),
                {.retry_safe = true})
        .with_native(std::strerror(error_number));
}

void NbdConnection::serve_until(const std::function<bool()>& is_done, const char* what, const std::stop_token& stop) {
    const Stopper stopper(stop);
    const auto deadline = steady_clock::now() + options_.limit;
    while (!is_done()) {
        if (nbd_aio_is_dead(handle()) == 1 || nbd_aio_is_closed(handle()) == 1) {
            close();
            throw Error(ErrorCode::unavailable, fmt::format("{}: the connection to {} was lost", what, peer_),
                        {.retry_safe = true});
        }
        step(what, stopper, deadline);
    }
}

void NbdConnection::run(Range range, Bytes piece, const char* what, const Issue& issue, const std::stop_token& stop) {
    const Stopper stopper(stop);
    std::deque<std::uint64_t> flying;
    Bytes next = range.offset;
    bool is_first = true;  // a flush has no length, but is one request
    auto deadline = steady_clock::now() + options_.limit;
    while (next < range.end() || is_first || !flying.empty()) {
        while ((next < range.end() || is_first) && flying.size() < most_in_flight) {
            const Bytes length = std::min(piece, range.end() - next);
            const std::int64_t cookie = issue(next, length);
            if (cookie == -1) {
                fail(what, range.offset);
            }
            flying.push_back(static_cast<std::uint64_t>(cookie));
            next += length;
            is_first = false;
        }
        const std::size_t before = flying.size();
        for (auto at = flying.begin(); at != flying.end();) {
            const int done = nbd_aio_command_completed(handle(), *at);
            if (done == -1) {
                fail(what, range.offset);
            }
            at = done == 1 ? flying.erase(at) : at + 1;
        }
        if (flying.size() != before) {
            deadline = steady_clock::now() + options_.limit;
        } else if (!flying.empty()) {
            step(what, stopper, deadline);
        }
    }
}

}  // namespace mk::block

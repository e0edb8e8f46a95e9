#include "block/nbd_allocation.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/core.h>
#include <poll.h>

#include "base/error.hpp"
#include "os/stop_event.hpp"

namespace mk::block {
namespace {

using os::StopEvent;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// The address without query: that is where a socket path stands, which says nothing to an administrator.
std::string peer_of(const std::string& uri) {
    return uri.substr(0, uri.find('?'));
}

std::string last_words() {
    const char* text = nbd_get_error();
    return text == nullptr ? "no reason given" : text;
}

Error lost(const char* what, const std::string& peer, const std::string& why) {
    return Error(ErrorCode::unavailable, fmt::format("{}: no connection to {} ({})", what, peer, why),
                 {.retry_safe = true});
}

/// Collects what the server answers to one block status request.
struct StatusAnswer {
    Bytes offset = 0;
    Bytes end = 0;
    std::vector<Extent> extents{};
    bool is_finished = false;
    int failure = 0;

    /// Retires the request at once.
    static int finish(void* user, int* error) {
        auto& answer = *static_cast<StatusAnswer*>(user);
        answer.is_finished = true;
        answer.failure = *error;
        return 1;
    }

    static int take(void* user, const char* context, std::uint64_t offset, std::uint32_t* entries, std::size_t count,
                    int* /*error*/) {
        auto& answer = *static_cast<StatusAnswer*>(user);
        if (std::string_view(context) != LIBNBD_CONTEXT_BASE_ALLOCATION || offset != answer.offset) {
            return 0;
        }
        for (std::size_t i = 0; i + 1 < count; i += 2) {
            // The last extent may reach beyond what was asked.
            const Bytes length = std::min<Bytes>(entries[i], answer.end - answer.offset);
            if (length > 0) {
                answer.extents.push_back({{answer.offset, length}, (entries[i + 1] & LIBNBD_STATE_ZERO) != 0});
            }
            answer.offset += length;
        }
        return 0;
    }
};

}  // namespace

NbdAllocation::NbdAllocation(const std::string& uri, milliseconds limit, const std::stop_token& stop)
    : handle_(nbd_create(), &nbd_close), peer_(peer_of(uri)), limit_(limit) {
    if (handle_ == nullptr) {
        throw Error(ErrorCode::internal, "cannot make an NBD handle: " + last_words());
    }
    const StopEvent stop_event(stop);
    connect(uri, stop_event);
    open_export(stop_event);
}

NbdAllocation::~NbdAllocation() {
    if (handle_ && nbd_aio_is_ready(handle_.get()) == 1) {
        // A polite end lets the server drop its state at once; it is not waited for beyond what the socket takes.
        nbd_aio_disconnect(handle_.get(), 0);
    }
}

void NbdAllocation::connect(const std::string& uri, const StopEvent& stop) {
    nbd_handle* handle = handle_.get();
    nbd_set_uri_allow_transports(handle, LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX);
    nbd_add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION);
    nbd_set_opt_mode(handle, true);
    if (nbd_aio_connect_uri(handle, uri.c_str()) == -1) {
        throw lost("connect", peer_, last_words());
    }
    serve_until([&] { return nbd_aio_is_connecting(handle) != 1; }, "connect", stop);
    if (nbd_aio_is_negotiating(handle) != 1 && nbd_aio_is_ready(handle) != 1) {
        throw lost("connect", peer_, last_words());
    }
}

void NbdAllocation::open_export(const StopEvent& stop) {
    nbd_handle* handle = handle_.get();
    if (nbd_aio_is_ready(handle) == 1) {
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
    if (nbd_aio_opt_go(handle, done) != -1) {
        serve_until([&] { return nbd_aio_is_connecting(handle) != 1; }, "open the export", stop);
    }
    if (outcome != 0 || nbd_aio_is_ready(handle) != 1) {
        throw Error(ErrorCode::not_found, fmt::format("the server of {} does not offer this export ({})", peer_,
                                                      outcome == 0 ? last_words() : std::strerror(outcome)));
    }
}

std::vector<Extent> NbdAllocation::query(Range range, const std::stop_token& stop) {
    if (!handle_) {
        throw lost("query the allocation", peer_, "closed after an error");
    }
    nbd_handle* handle = handle_.get();
    if (nbd_can_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) != 1) {
        return {};
    }
    StatusAnswer answer{.offset = range.offset, .end = range.end()};
    const nbd_extent_callback take{.callback = &StatusAnswer::take, .user_data = &answer, .free = nullptr};
    const nbd_completion_callback done{.callback = &StatusAnswer::finish, .user_data = &answer, .free = nullptr};
    const bool is_sent = nbd_aio_block_status(handle, range.length, range.offset, take, done, 0) != -1;
    try {
        if (is_sent) {
            const StopEvent stop_event(stop);
            serve_until([&] { return answer.is_finished; }, "query the allocation", stop_event);
        }
        // A connection that broke while the request was sent answers it, too.
        if (nbd_aio_is_ready(handle) != 1) {
            throw lost("query the allocation", peer_, last_words());
        }
    } catch (const Error&) {
        handle_.reset();  // while the answer, into which its request points, is still there
        throw;
    }
    if (!is_sent) {
        return {};
    }
    return answer.failure == 0 ? answer.extents : std::vector<Extent>{};
}

void NbdAllocation::serve_until(const std::function<bool()>& is_done, const char* what, const StopEvent& stop) {
    const auto deadline = steady_clock::now() + limit_;
    while (!is_done()) {
        if (nbd_aio_is_dead(handle_.get()) == 1 || nbd_aio_is_closed(handle_.get()) == 1) {
            throw lost(what, peer_, last_words());
        }
        step(what, stop, deadline);
    }
}

void NbdAllocation::step(const char* what, const StopEvent& stop, steady_clock::time_point deadline) {
    const unsigned direction = nbd_aio_get_direction(handle_.get());
    const bool wants_read = (direction & LIBNBD_AIO_DIRECTION_READ) != 0;
    const bool wants_write = (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0;
    const auto events = static_cast<short>((wants_read ? POLLIN : 0) | (wants_write ? POLLOUT : 0));
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    std::array<pollfd, 2> polled{{{nbd_aio_get_fd(handle_.get()), events, 0}, {stop.descriptor(), POLLIN, 0}}};
    const int ready =
        ::poll(polled.data(), polled.size(), static_cast<int>(std::clamp<milliseconds::rep>(left, 0, 3'600'000)));
    if (ready < 0 && errno != EINTR) {
        throw Error(ErrorCode::internal, fmt::format("cannot wait for {}: {}", peer_, std::strerror(errno)));
    }
    if (polled[1].revents != 0) {
        throw Error(ErrorCode::cancelled, fmt::format("{} was stopped at {}", what, peer_));
    }
    if (ready == 0 && left <= 0) {
        throw Error(ErrorCode::timeout, fmt::format("{}: no answer from {} within {} s", what, peer_,
                                                    std::chrono::duration_cast<std::chrono::seconds>(limit_).count()));
    }
    const int seen = ready > 0 ? polled[0].revents : 0;
    int outcome = 0;
    if ((seen & (POLLIN | POLLHUP)) != 0 && wants_read) {
        outcome = nbd_aio_notify_read(handle_.get());
    } else if ((seen & POLLOUT) != 0 && wants_write) {
        outcome = nbd_aio_notify_write(handle_.get());
    } else if ((seen & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        outcome = -1;
    }
    if (outcome == -1) {
        throw lost(what, peer_, last_words());
    }
}

}  // namespace mk::block

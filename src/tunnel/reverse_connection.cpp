#include "tunnel/reverse_connection.hpp"

#include <algorithm>
#include <array>

#include <poll.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/socket.hpp"
#include "os/stop_event.hpp"
#include "tunnel/control_protocol.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/gateway_connection.hpp"
#include "tunnel/sockets.hpp"
#include "tunnel/splice.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds dial_limit{20'000};
/// vma-api is on the same machine.
constexpr milliseconds api_limit{5'000};

void say(TlsStream& stream, std::byte word) {
    const std::array byte{word};
    static_cast<os::ByteStream&>(stream).write(std::span<const std::byte>(byte));
}

/// The idle time of one connection: pings, until the gateway wants it.
class Idleness {
  public:
    Idleness(TlsStream& stream, int socket, ReverseObserver& observer)
        : stream_(stream), socket_(socket), observer_(observer) {}

    /// False when it is not needed any more.
    bool wait_for_use(const std::stop_token& stop) {
        const os::StopEvent stop_event(stop);
        while (!stop.stop_requested()) {
            if (stream_.has_input() || wait(stop_event)) {
                if (hear()) {
                    return true;
                }
            } else if (!stop.stop_requested() && !pass_time()) {
                return false;
            }
        }
        return false;
    }

  private:
    /// True when there is something to hear.
    bool wait(const os::StopEvent& stop_event) const {
        const auto left = std::chrono::ceil<milliseconds>(next_ - steady_clock::now());
        std::array<pollfd, 2> entries{{{socket_, POLLIN, 0}, {stop_event.descriptor(), POLLIN, 0}}};
        ::poll(entries.data(), entries.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        return entries[0].revents != 0;
    }

    /// True when the gateway wants the connection.
    bool hear() {
        std::array<std::byte, 1> word{};
        const auto got = stream_.read_now(word);
        if (got && *got == 0) {
            throw Error(ErrorCode::unavailable, "the gateway closed an idle reverse connection");
        }
        if (got && word[0] == control::ping && is_asking_) {
            is_asking_ = false;
            observer_.on_round_trip(
                std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - asked_));
            next_ = asked_ + control::ping_interval;
        } else if (got && word[0] != control::use) {
            throw Error(ErrorCode::external, "the gateway says something that does not belong on a reverse connection");
        }
        return got && word[0] == control::use;
    }

    /// The time for the next thing has come: an answer is overdue, or a question is due. False when superfluous.
    bool pass_time() {
        if (steady_clock::now() < next_) {
            return true;
        }
        if (is_asking_) {
            throw Error(ErrorCode::timeout, "the gateway does not answer on an idle reverse connection");
        }
        if (observer_.is_superfluous()) {
            return false;
        }
        say(stream_, control::ping);
        is_asking_ = true;
        asked_ = steady_clock::now();
        next_ = asked_ + control::answer_limit;
        return true;
    }

    TlsStream& stream_;
    const int socket_;
    ReverseObserver& observer_;
    bool is_asking_ = false;
    steady_clock::time_point asked_{};
    steady_clock::time_point next_ = steady_clock::now();  ///< the first question at once: the first round trip
};

void join_with_api(TlsStream& stream, int socket, const std::string& vma_api, Metrics::Protocol& counted,
                   const std::stop_token& stop) {
    os::Descriptor local;
    try {
        local = os::connect_to(vma_api, api_limit, stop);
    } catch (const Error& error) {
        log::warn("vma_api_not_reachable reason=\"{}\"", error.cause());
        say(stream, control::not_ready);
        return;
    }
    say(stream, control::ready);
    stream.set_limit(control::idle_limit);
    splice(stream, socket, std::move(local), control::idle_limit, counted);
}

}  // namespace

void run_reverse_connection(const ReverseRoute& route, ReverseObserver& observer, Metrics::Protocol& counted,
                            const std::stop_token& stop) {
    const auto gateway = gateway_pairing(route.folder);
    auto connected = os::connect_to(gateway.address, dial_limit, stop);
    const int socket = connected.get();
    tune_accepted(socket);
    const auto stream =
        meet_gateway(os::stream_on(std::move(connected)), route.folder, gateway, alpn::control, dial_limit, stop);
    observer.on_idle();
    stream->set_limit(control::answer_limit);
    const std::stop_callback on_stop(stop, [&stream] { stream->shut_down(); });
    if (Idleness(*stream, socket, observer).wait_for_use(stop)) {
        observer.on_used();
        join_with_api(*stream, socket, route.vma_api, counted, stop);
    }
}

}  // namespace mk::tunnel

#include "tunnel/hand_off.hpp"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include <poll.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"
#include "os/socket.hpp"
#include "os/stop_event.hpp"
#include "tunnel/compressing_stream.hpp"
#include "tunnel/connection_list.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/limited_log.hpp"
#include "tunnel/metered_stream.hpp"
#include "tunnel/metrics.hpp"
#include "tunnel/pairing_store.hpp"
#include "tunnel/sockets.hpp"
#include "tunnel/tls_stream.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds between_looks{1000};  ///< at the pairings
constexpr milliseconds between_figures{5000};
constexpr milliseconds after_failure{200};
/// The gateway sends the descriptor right after connecting.
constexpr milliseconds descriptor_limit{500};

}  // namespace

struct HandOffListener::State {
    State(HandOffOptions given, std::map<std::string, StreamHandler> by_protocol)
        : options(std::move(given)),
          handlers(std::move(by_protocol)),
          store(options.folder, clock),
          listener(os::listen_unix(options.socket)),
          connections(options.max_connections, options.max_handshakes),
          acceptor([this](const std::stop_token& stop) { run(stop); }) {}

    void run(const std::stop_token& stop);
    void accept_waiting();
    void serve(ConnectionList::Entry& entry, os::Descriptor socket);
    void hand_to_service(ConnectionList::Entry& entry, std::unique_ptr<TlsStream> tls);
    void stop();

    const HandOffOptions options;
    const std::map<std::string, StreamHandler> handlers;
    SystemClock clock;
    PairingStore store;
    Metrics figures{"hand_off"};
    os::Descriptor listener;
    LimitedLog refusals;

    ConnectionList connections;
    std::jthread acceptor;
};

void HandOffListener::State::run(const std::stop_token& stop) {
    const os::StopEvent stop_event(stop);
    auto next_look = steady_clock::now() + between_looks;
    auto next_figures = steady_clock::now();
    while (!stop.stop_requested()) {
        const auto now = steady_clock::now();
        const auto left = std::chrono::ceil<milliseconds>(next_look - now);
        std::array<pollfd, 2> entries{{{listener.get(), POLLIN, 0}, {stop_event.descriptor(), POLLIN, 0}}};
        ::poll(entries.data(), entries.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        try {
            if ((entries[0].revents & POLLIN) != 0) {
                accept_waiting();
            }
            if (steady_clock::now() >= next_look) {
                next_look = steady_clock::now() + between_looks;
                connections.look_after(store.list(), figures);
            }
            if (!options.metrics_folder.empty() && steady_clock::now() >= next_figures) {
                next_figures = steady_clock::now() + between_figures;
                figures.write_to(options.metrics_folder);
            }
        } catch (const std::exception& error) {
            log::warn("hand_off_disturbed reason=\"{}\"", as_error(error).full_text());
            pause(after_failure, stop);  // too many descriptors, for example: no reason to spin
        }
    }
}

void HandOffListener::State::accept_waiting() {
    const auto messenger = os::accept_now(listener.get());
    if (!messenger) {
        return;
    }
    if (auto socket = receive_descriptor(messenger.get(), descriptor_limit)) {
        if (!connections.begin(std::move(socket), [this](ConnectionList::Entry& entry, os::Descriptor own) {
                serve(entry, std::move(own));
            })) {
            ++figures.of("unknown").refused;
            refusals.warn("tunnel_connection_refused reason=\"too many strangers\"");
        }
    }
}

void HandOffListener::State::serve(ConnectionList::Entry& entry, os::Descriptor socket) {
    std::string protocol = "unknown";
    try {
        TlsOptions tls_options{.identity = open_identity(options.folder, "")};
        for (const auto& [name, handler] : handlers) {
            tls_options.protocols.push_back(name);
        }
        tls_options.is_trusted = [&](const std::string& key) { return store.find_by_fingerprint(key).has_value(); };
        auto tls = tls_accept(os::stream_on(std::move(socket)), tls_options);
        protocol = tls->protocol();
        hand_to_service(entry, std::move(tls));
    } catch (const Error& error) {
        if (entry.appliance_id().empty()) {
            ++figures.of(protocol).refused;
            refusals.warn("tunnel_connection_refused protocol=" + protocol + " reason=\"" + error.cause() + "\"");
        } else {
            log::info("tunnel_connection_ended appliance={} protocol={} reason=\"{}\"", entry.appliance_id(), protocol,
                      error.cause());
        }
    } catch (const std::exception& error) {
        log::error("tunnel_connection_failed protocol={} reason=\"{}\"", protocol, error.what());
    }
}

void HandOffListener::State::hand_to_service(ConnectionList::Entry& entry, std::unique_ptr<TlsStream> tls) {
    const auto protocol = tls->protocol();
    const auto pairing = store.find_by_fingerprint(tls->peer_fingerprint());
    if (!pairing) {
        throw Error(ErrorCode::forbidden, "the pairing was removed during the handshake");
    }
    if (!connections.admit(entry, *pairing, protocol)) {
        welcome(*tls, Welcome::busy);
        throw Error(ErrorCode::exhausted, "as many connections as may be are open");
    }
    welcome(*tls, Welcome::served);
    auto& counted = figures.of(protocol);
    ++counted.connections;
    auto stream = metered(std::move(tls), nullptr, borrowed(counted.wire));
    if (protocol == alpn::nbd_zstd) {
        stream = compressing(std::move(stream));
    }
    stream = metered(std::move(stream), nullptr, borrowed(counted.payload));
    ++counted.open;
    try {
        handlers.at(protocol)({.stream = std::move(stream), .appliance_id = entry.appliance_id()});
    } catch (...) {
        --counted.open;
        throw;
    }
    --counted.open;
}

void HandOffListener::State::stop() {
    acceptor.request_stop();
    if (acceptor.joinable()) {
        acceptor.join();
    }
    connections.stop();
}

HandOffListener::HandOffListener(HandOffOptions options, std::map<std::string, StreamHandler> handlers)
    : state_(std::make_unique<State>(std::move(options), std::move(handlers))) {}

HandOffListener::~HandOffListener() {
    stop();
}

void HandOffListener::stop() {
    state_->stop();
}

std::string HandOffListener::metrics() const {
    return state_->figures.to_prometheus();
}

}  // namespace mk::tunnel

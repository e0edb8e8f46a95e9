#include "tunnel/gateway.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"
#include "os/socket.hpp"
#include "tunnel/connection_list.hpp"
#include "tunnel/control_sockets.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/hello_gate.hpp"
#include "tunnel/limited_log.hpp"
#include "tunnel/metrics.hpp"
#include "tunnel/pairing_exchange.hpp"
#include "tunnel/reverse_pool.hpp"
#include "tunnel/sockets.hpp"
#include "tunnel/tls_stream.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds between_looks{500};
constexpr std::chrono::seconds between_figures{5};
constexpr std::chrono::milliseconds after_failure{200};
constexpr std::size_t max_strangers = 64;

}  // namespace

struct Gateway::State {
    explicit State(GatewayOptions given)
        : options(std::move(given)),
          store(options.folder, clock),
          desk(store, options.name),
          connections(options.max_connections, max_strangers),
          sockets(options.control_folder, [this](const std::string& appliance_id,
                                                 os::Descriptor local) { pool.give(appliance_id, std::move(local)); }),
          gate(os::listen_tcp(options.host, options.port),
               {.protocols = {alpn::nbd, alpn::nbd_zstd, alpn::digest, alpn::control, alpn::pair},
                .max_waiting = options.max_half_open},
               [this](os::Descriptor socket, const std::string& protocol) { route(std::move(socket), protocol); }),
          keeper([this](const std::stop_token& stop) { keep(stop); }),
          doorman([this](const std::stop_token& stop) { gate.run(stop); }) {}

    void route(os::Descriptor socket, const std::string& protocol);
    void begin(os::Descriptor socket, const std::string& protocol, ConnectionList::Serve serve);
    void pass_to_service(const os::Descriptor& socket, const std::string& protocol);
    void serve_control(ConnectionList::Entry& entry, os::Descriptor socket);
    void serve_pairing(os::Descriptor socket);
    void keep(const std::stop_token& stop);
    void follow_pairings();
    void stop();

    const GatewayOptions options;
    SystemClock clock;
    PairingStore store;
    PairingDesk desk;
    Metrics figures{"gateway"};
    ReversePool pool;
    ConnectionList connections;
    ControlSockets sockets;  // the keeper's thread only
    HelloGate gate;
    LimitedLog refusals;
    LimitedLog unread;
    bool service_is_there = true;  // the gate's thread only: tells changes in the log, not every connection

    std::jthread keeper;
    std::jthread doorman;
};

void Gateway::State::route(os::Descriptor socket, const std::string& protocol) {
    if (protocol == alpn::control) {
        begin(std::move(socket), protocol,
              [this](ConnectionList::Entry& entry, os::Descriptor own) { serve_control(entry, std::move(own)); });
    } else if (protocol != alpn::pair) {
        pass_to_service(socket, protocol);
    } else if (desk.is_open()) {
        begin(std::move(socket), protocol,
              [this](ConnectionList::Entry&, os::Descriptor own) { serve_pairing(std::move(own)); });
    }
}

void Gateway::State::begin(os::Descriptor socket, const std::string& protocol, ConnectionList::Serve serve) {
    if (!connections.begin(std::move(socket), std::move(serve))) {
        ++figures.of(protocol).refused;
        refusals.warn("connection_refused protocol=" + protocol + " reason=\"too many strangers\"");
    }
}

void Gateway::State::pass_to_service(const os::Descriptor& socket, const std::string& protocol) {
    const bool is_passed = hand_over(options.hand_off_socket, socket.get());
    auto& counted = figures.of(protocol);
    ++(is_passed ? counted.connections : counted.refused);
    if (is_passed != std::exchange(service_is_there, is_passed)) {
        log::write(is_passed ? log::Level::info : log::Level::warn,
                   is_passed
                       ? "hand_off_works_again"
                       : "hand_off_not_possible: the Volume Daemon does not listen at " + options.hand_off_socket);
    }
}

void Gateway::State::serve_control(ConnectionList::Entry& entry, os::Descriptor socket) {
    auto& counted = figures.of(alpn::control);
    bool is_served = false;
    try {
        const TlsOptions tls_options{
            .identity = open_identity(options.folder, ""),
            .protocols = {alpn::control},
            .is_trusted = [this](const std::string& key) { return store.find_by_fingerprint(key).has_value(); }};
        auto tls = tls_accept(os::stream_on(std::move(socket)), tls_options);
        const auto pairing = store.find_by_fingerprint(tls->peer_fingerprint());
        if (!pairing || !connections.admit(entry, *pairing, alpn::control)) {
            welcome(*tls, Welcome::busy);
            throw Error(ErrorCode::exhausted, "as many reverse connections as may be are open");
        }
        welcome(*tls, Welcome::served);
        is_served = true;
        ++counted.connections;
        ++counted.open;
        const auto is_paired = [this, &pairing] {
            const auto now = store.find(pairing->appliance_id);
            return now && now->fingerprint == pairing->fingerprint;
        };
        pool.serve(pairing->appliance_id, *tls, entry.socket(), counted, is_paired);
    } catch (const Error& error) {
        ++(is_served ? counted.wire.cuts : counted.refused);
        log::debug("reverse_connection_ended appliance={} reason=\"{}\"", entry.appliance_id(), error.cause());
    } catch (const std::exception& error) {
        log::error("reverse_connection_failed reason=\"{}\"", error.what());
    }
    counted.open -= is_served ? 1 : 0;
}

void Gateway::State::serve_pairing(os::Descriptor socket) {
    auto& counted = figures.of(alpn::pair);
    try {
        const auto own = open_identity(options.folder, "");
        const TlsOptions tls_options{.identity = own, .protocols = {alpn::pair}, .is_trusted = [](const std::string&) {
                                         return true;
                                     }};  // the code decides
        auto tls = tls_accept(os::stream_on(std::move(socket)), tls_options);
        welcome(*tls, Welcome::served);
        const auto pairing = desk.serve(*tls, own.fingerprint);
        ++counted.connections;
        log::info("paired appliance={} name=\"{}\" fingerprint=\"{}\"", pairing.appliance_id, pairing.name,
                  fingerprint_for_people(pairing.fingerprint));
    } catch (const Error& error) {
        ++counted.refused;
        refusals.warn("pairing_failed reason=\"" + error.cause() + "\"");
    } catch (const std::exception& error) {
        log::error("pairing_failed reason=\"{}\"", error.what());
    }
}

void Gateway::State::keep(const std::stop_token& stop) {
    auto next_figures = steady_clock::now();
    while (!stop.stop_requested()) {
        try {
            follow_pairings();
            pool.close_overdue();
            if (!options.metrics_folder.empty() && steady_clock::now() >= next_figures) {
                next_figures = steady_clock::now() + between_figures;
                figures.write_to(options.metrics_folder);
            }
            sockets.serve_until(steady_clock::now() + between_looks, stop);
        } catch (const std::exception& error) {
            log::warn("gateway_disturbed reason=\"{}\"", as_error(error).full_text());
            pause(after_failure, stop);
        }
    }
}

void Gateway::State::follow_pairings() {
    try {
        const auto pairings = store.list();
        connections.look_after(pairings, figures);
        sockets.follow(pairings);
    } catch (const Error& error) {
        // What runs goes on with what was known; the next look is in half a second.
        unread.warn("pairings_not_read reason=\"" + error.full_text() + "\"");
    }
}

void Gateway::State::stop() {
    for (auto* thread : {&doorman, &keeper}) {
        thread->request_stop();
        if (thread->joinable()) {
            thread->join();
        }
    }
    connections.stop();
}

Gateway::Gateway(GatewayOptions options) : state_(std::make_unique<State>(std::move(options))) {}

Gateway::~Gateway() {
    stop();
}

std::uint16_t Gateway::port() const {
    return state_->gate.port();
}

std::string Gateway::metrics() const {
    return state_->figures.to_prometheus();
}

void Gateway::stop() {
    state_->stop();
}

}  // namespace mk::tunnel

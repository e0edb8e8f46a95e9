#include "target/volumes/nbd_server.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.hpp"
#include "os/socket.hpp"
#include "target/volumes/nbd_negotiation.hpp"
#include "target/volumes/nbd_transmission.hpp"

namespace mk::volumes {
namespace {

constexpr std::chrono::seconds choosing_limit{15};
constexpr std::size_t most_ending = 512;
constexpr std::chrono::milliseconds look_interval{5'000};

/// NBD knows no passwords: whoever reaches an export reads and writes the replica.
void require_loopback(const std::string& host) {
    in_addr address{};
    if (::inet_pton(AF_INET, host.c_str(), &address) != 1) {
        throw Error(ErrorCode::invalid, "'" + host + "' is not an IPv4 address to listen on");
    }
    if (ntohl(address.s_addr) >> 24 != IN_LOOPBACKNET) {
        throw Error(
            ErrorCode::invalid, "exports are not offered on " + host + ": others could reach them",
            {.consequence = "NBD knows no passwords; whoever reaches an export reads and writes the replica.",
             .remedy = "Let nbd_listen be 127.0.0.1 with a port, or empty; appliances come through the tunnel."});
    }
}

}  // namespace

NbdServer::NbdServer(NbdServerOptions options) : options_(std::move(options)), wake_(::eventfd(0, EFD_CLOEXEC)) {
    if (!options_.address.empty()) {
        require_loopback(options_.address);
        auto listener = os::listen_tcp(options_.address, options_.port);
        port_ = listener.port;
        listeners_.push_back(std::move(listener.socket));
    }
    if (!options_.socket.empty()) {
        listeners_.push_back(os::listen_unix(options_.socket));
    }
    acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_loop(stop); });
}

NbdServer::~NbdServer() {
    stop();
}

std::string NbdServer::uri_of(const std::string& name) const {
    if (options_.address.empty()) {
        return "nbd+unix:///" + name + "?socket=" + options_.socket;
    }
    return fmt::format("nbd://{}:{}/{}", options_.address, port_, name);
}

void NbdServer::add_export(const std::string& name, std::shared_ptr<ExportBackend> backend) {
    exports_.add(name, std::move(backend));
}

void NbdServer::remove_export(const std::string& name) {
    exports_.remove(name);
}

void NbdServer::stop() {
    acceptor_.request_stop();
    const std::uint64_t one = 1;
    if (::write(wake_.get(), &one, sizeof one) < 0) {
        log::warn("the NBD server could not be woken: {}", std::strerror(errno));
    }
    if (acceptor_.joinable()) {
        acceptor_.join();
    }
    std::unique_lock lock(connections_mutex_);
    is_stopped_ = true;
    for (auto& connection : connections_) {
        if (!connection.is_over) {
            connection.stream->shut_down();
        }
    }
    // Those of serve() leave the list by themselves.
    connection_over_.wait(lock, [&] {
        return std::all_of(connections_.begin(), connections_.end(),
                           [](const Connection& c) { return c.is_over && c.thread.joinable(); });
    });
    auto ended = std::move(connections_);
    connections_.clear();
    lock.unlock();
    ended.clear();  // joins
    exports_.remove_all();
    if (!options_.socket.empty()) {
        os::remove_file(options_.socket);
    }
}

void NbdServer::accept_loop(const std::stop_token& stop) {
    std::vector<pollfd> watched;
    for (const auto& listener : listeners_) {
        watched.push_back({listener.get(), POLLIN, 0});
    }
    watched.push_back({wake_.get(), POLLIN, 0});
    while (!stop.stop_requested()) {
        if (::poll(watched.data(), watched.size(), static_cast<int>(look_interval.count())) < 0 && errno != EINTR) {
            log::error("the NBD server cannot wait for clients: {}", std::strerror(errno));
            return;
        }
        for (std::size_t i = 0; i + 1 < watched.size(); ++i) {
            if ((watched[i].revents & POLLIN) != 0) {
                accept_one(watched[i].fd);
            }
        }
        cut_undecided();
        reap();
    }
}

void NbdServer::accept_one(int listener) {
    os::Descriptor socket;
    try {
        socket = os::accept_now(listener);
    } catch (const Error& error) {
        log::error("no NBD client can be taken: {}", error.cause());
        pollfd wake{wake_.get(), POLLIN, 0};
        ::poll(&wake, 1, 200);  // the client stays in the queue and would wake us at once
    }
    if (!socket) {
        return;
    }
    const int yes = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    const std::lock_guard lock(connections_mutex_);
    const auto connection = admit(os::stream_on(std::move(socket)));
    if (connection == connections_.end()) {
        return;
    }
    try {
        connection->thread = std::jthread([this, connection] { run(*connection); });
    } catch (const std::system_error& error) {
        log::error("an NBD client was turned away: {}", error.what());
        connections_.erase(connection);
    }
}

void NbdServer::serve(std::unique_ptr<os::ByteStream> stream) {
    Connections::iterator connection;
    {
        const std::lock_guard lock(connections_mutex_);
        connection = admit(std::move(stream));
        if (connection == connections_.end()) {
            return;
        }
    }
    run(*connection);
    const std::lock_guard lock(connections_mutex_);
    connections_.erase(connection);
    connection_over_.notify_all();
}

/// With the lock held. end() when there are too many.
NbdServer::Connections::iterator NbdServer::admit(std::unique_ptr<os::ByteStream> stream) {
    if (is_stopped_ || !make_room()) {
        return connections_.end();
    }
    auto& connection = connections_.emplace_back();
    connection.stream = std::move(stream);
    connection.began = std::chrono::steady_clock::now();
    return std::prev(connections_.end());
}

/// With the lock held.
bool NbdServer::make_room() {
    const auto counts = [](const Connection& c) { return !c.is_over && !c.is_cut; };
    const auto active = static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(), counts));
    if (active < options_.max_connections) {
        return true;
    }
    const auto oldest = std::find_if(connections_.begin(), connections_.end(),
                                     [&](const Connection& c) { return counts(c) && !c.has_export; });
    // Those that were cut are ending, but each still has its thread: they are limited as well.
    if (oldest == connections_.end() || connections_.size() >= options_.max_connections + most_ending) {
        log::warn("an NBD client was turned away: {} connections are open", active);
        return false;
    }
    oldest->stream->shut_down();
    oldest->is_cut = true;
    return true;
}

void NbdServer::run(Connection& connection) {
    try {
        serve_nbd_client(*connection.stream, exports_, [&] {
            const std::lock_guard lock(connections_mutex_);
            connection.has_export = true;
        });
    } catch (const std::exception& caught) {
        const auto error = as_error(caught);
        if (!error.retryable()) {  // that a client went away is no news
            log::error("an NBD connection ended: {}", error.full_text());
        }
    }
    const std::lock_guard lock(connections_mutex_);
    connection.stream->shut_down();
    connection.is_over = true;
    connection.stream.reset();
    connection_over_.notify_all();
}

void NbdServer::cut_undecided() {
    const auto since = std::chrono::steady_clock::now() - choosing_limit;
    const std::lock_guard lock(connections_mutex_);
    for (auto& connection : connections_) {
        if (!connection.is_over && !connection.has_export && connection.began < since) {
            connection.stream->shut_down();
            connection.is_cut = true;
        }
    }
}

void NbdServer::reap() {
    const std::lock_guard lock(connections_mutex_);
    connections_.remove_if([](Connection& connection) {
        if (!connection.is_over || !connection.thread.joinable()) {
            return false;
        }
        connection.thread.join();  // its last act was to set the flag under our lock
        return true;
    });
}

void serve_nbd_client(os::ByteStream& stream, ExportRegistry& exports, const std::function<void()>& on_chosen) {
    stream.set_limit(choosing_limit);
    const auto agreement = NbdNegotiation(stream, exports, on_chosen).run();
    if (agreement) {
        NbdTransmission(stream, *agreement).run();
    }
}

}  // namespace mk::volumes

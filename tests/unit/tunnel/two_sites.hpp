#pragma once
// Two appliances with identities and, if wanted, a pairing; streams between them over a socket pair.

#include <array>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "os/byte_stream.hpp"
#include "support/temporary_folder.hpp"
#include "tunnel/identity.hpp"
#include "tunnel/pairing_store.hpp"
#include "tunnel/tls_stream.hpp"

namespace mk::test {

struct SocketPair {
    os::Descriptor one;
    os::Descriptor other;
};

inline SocketPair socket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        throw std::runtime_error("cannot make a pair of sockets");
    }
    return {os::Descriptor(ends[0]), os::Descriptor(ends[1])};
}

/// One appliance's folder.
struct Site {
    explicit Site(const std::string& name)
        : identity(tunnel::open_identity(folder.path(), name)), store(folder.path(), clock) {}

    void trust(const Site& peer, const std::string& appliance_id, const std::string& address = "") {
        store.put({.appliance_id = appliance_id,
                   .name = appliance_id,
                   .fingerprint = peer.identity.fingerprint,
                   .address = address,
                   .api_token = Secret("token of " + appliance_id),
                   .paired_at = clock.now()});
    }

    TemporaryFolder folder;
    SystemClock clock;
    tunnel::Identity identity;
    tunnel::PairingStore store;
};

struct TlsPair {
    std::unique_ptr<tunnel::TlsStream> client;
    std::unique_ptr<tunnel::TlsStream> server;
};

inline tunnel::TlsOptions trusting(const Site& own, const Site& peer, std::vector<std::string> protocols) {
    return {.identity = own.identity,
            .protocols = std::move(protocols),
            .is_trusted = [key = peer.identity.fingerprint](const std::string& shown) { return shown == key; }};
}

/// Both handshakes at the same time, each with its own options; rethrows the client's failure first.
inline TlsPair connect_tls(const tunnel::TlsOptions& client_options, const tunnel::TlsOptions& server_options) {
    auto sockets = socket_pair();
    auto accepting = std::async(std::launch::async, [&server_options, socket = std::move(sockets.other)]() mutable {
        auto server = tunnel::tls_accept(os::stream_on(std::move(socket)), server_options);
        tunnel::welcome(*server, tunnel::Welcome::served);
        return server;
    });
    auto client = tunnel::tls_connect(os::stream_on(std::move(sockets.one)), client_options);
    return {.client = std::move(client), .server = accepting.get()};
}

/// The code of the Error that `action` throws; nothing when it throws none.
template <class Action>
std::optional<ErrorCode> outcome_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.code();
    }
    return std::nullopt;
}

inline std::vector<std::byte> bytes_of(const std::string& text) {
    const auto view = std::as_bytes(std::span(text));
    return {view.begin(), view.end()};
}

/// `size` bytes that differ from place to place and do not compress.
inline std::vector<std::byte> noise(std::size_t size, std::uint32_t seed = 1) {
    std::vector<std::byte> data(size);
    std::uint32_t state = seed * 2'654'435'761U + 1;
    for (auto& byte : data) {
        state = state * 1'664'525U + 1'013'904'223U;
        byte = static_cast<std::byte>(state >> 24U);
    }
    return data;
}

}  // namespace mk::test

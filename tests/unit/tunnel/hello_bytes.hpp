#pragma once
// What a client sends first.

#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "two_sites.hpp"

namespace mk::test {

/// The ClientHello of our own client for these protocols.
inline std::vector<std::byte> hello_bytes(const Site& site, std::vector<std::string> protocols) {
    auto sockets = socket_pair();
    std::thread client([&site, protocols = std::move(protocols), socket = std::move(sockets.one)]() mutable {
        try {
            tunnel::tls_connect(os::stream_on(std::move(socket)), trusting(site, site, std::move(protocols)));
        } catch (const Error&) {
            // The other end is only a listener.
        }
    });
    const auto listener = os::stream_on(std::move(sockets.other));
    std::vector<std::byte> header(5);
    listener->read(header);
    const auto length = std::to_integer<std::size_t>(header[3]) << 8U | std::to_integer<std::size_t>(header[4]);
    std::vector<std::byte> hello(header);
    hello.resize(5 + length);
    listener->read(std::span(hello).subspan(5));
    listener->shut_down();
    client.join();
    return hello;
}

}  // namespace mk::test

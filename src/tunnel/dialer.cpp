#include "tunnel/dialer.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "os/listen_address.hpp"
#include "tunnel/compressing_stream.hpp"
#include "tunnel/gateway_connection.hpp"
#include "tunnel/identity.hpp"
#include "tunnel/metered_stream.hpp"
#include "tunnel/pairing_store.hpp"

namespace mk::tunnel {

Pairing gateway_pairing(const std::string& folder) {
    const SystemClock clock;
    const auto pairings = PairingStore(folder, clock).list();
    const auto found =
        std::find_if(pairings.begin(), pairings.end(), [](const Pairing& pairing) { return !pairing.address.empty(); });
    if (found == pairings.end()) {
        throw Error(ErrorCode::conflict, "this appliance is not paired with an OMA",
                    {.consequence = "Nothing can be sent.",
                     .remedy = "Make a code at the OMA and pair: migratekit-tunnel pair --gateway HOST:PORT."})
            .with_native("NotPaired");
    }
    return *found;
}

std::unique_ptr<TlsStream> meet_gateway(std::unique_ptr<os::ByteStream> socket, const std::string& folder,
                                        const Pairing& gateway, const std::string& protocol,
                                        std::chrono::milliseconds limit, const std::stop_token& stop) {
    TlsOptions options{.identity = open_identity(folder, ""),
                       .protocols = {protocol},
                       .is_trusted = [&](const std::string& key) { return key == gateway.fingerprint; },
                       .stop = stop};
    options.handshake_limit = std::min(options.handshake_limit, limit);
    try {
        return tls_connect(std::move(socket), options);
    } catch (const Error& error) {
        throw error.within("gateway " + gateway.address);
    }
}

std::unique_ptr<os::ByteStream> dial(const DialOptions& options, const std::string& protocol,
                                     std::shared_ptr<Traffic> traffic, const std::stop_token& stop) {
    const auto deadline = std::chrono::steady_clock::now() + options.limit;
    const auto gateway = gateway_pairing(options.folder);
    const auto address = os::parse_listen_address(gateway.address);
    auto socket = os::connect_tcp(address.host, address.port, options.limit, stop);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    auto stream = metered(meet_gateway(std::move(socket), options.folder, gateway, protocol, left, stop),
                          options.bucket, std::move(traffic));
    return protocol == alpn::nbd_zstd ? compressing(std::move(stream)) : std::move(stream);
}

}  // namespace mk::tunnel

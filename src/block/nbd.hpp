#pragma once
// NBD endpoints. URIs: "nbd+unix:///NAME?socket=PATH", "nbd://HOST:PORT/NAME" (NBD URI specification). Data goes
// through our own client (nbd_channels.hpp: one connection per channel, many requests in flight); what is asked rarely
// (allocation) goes through libnbd. Every call obeys the stop token, after which the channel is useless, and gives up
// after `limit` without a byte of an answer (Error{timeout}). Nothing that a server says is trusted: what is against
// the protocol, or another size than before, is Error{corrupt}.

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "block/block_sink.hpp"
#include "block/block_source.hpp"
#include "os/byte_stream.hpp"

namespace mk::block {

struct NbdOptions {
    std::chrono::milliseconds limit{120'000};  ///< per request without progress
    Bytes max_request = 32 * MiB;              ///< never more than the server's own maximum
};

/// How an export is reached when it is not a plain socket: each channel dials once.
struct NbdEndpoint {
    std::string export_name;
    std::string display_name;  ///< for messages
    std::function<std::unique_ptr<os::ByteStream>(const std::stop_token&)> dial;
};
/// Throws Error{invalid} for another scheme or form.
NbdEndpoint nbd_endpoint(const std::string& uri,
                         std::chrono::milliseconds connect_limit = std::chrono::milliseconds{120'000});

/// Connects; the first channel uses this connection. Throws Error{unavailable} when nobody answers, Error{not_found}
/// when the export does not exist, Error{conflict} for a server that is too old or wants larger blocks than 512 bytes.
std::unique_ptr<BlockSource> open_nbd_source(const std::string& uri, const NbdOptions& options = {},
                                             const std::stop_token& stop = {});
/// As above; Error{conflict} when the export is read-only or cannot flush, and from open_channel() when a channel is
/// open while the server has no multi-conn. instance() is the export's description as the server tells it.
std::unique_ptr<BlockSink> open_nbd_sink(NbdEndpoint endpoint, const NbdOptions& options = {},
                                         const std::stop_token& stop = {});
std::unique_ptr<BlockSink> open_nbd_sink(const std::string& uri, const NbdOptions& options = {},
                                         const std::stop_token& stop = {});

}  // namespace mk::block

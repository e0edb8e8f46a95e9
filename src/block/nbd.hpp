#pragma once
// NBD endpoints on libnbd. URIs: "nbd+unix:///NAME?socket=PATH", "nbd://HOST:PORT/NAME" (RFC-like NBD URI
// specification). Every call obeys the stop token and gives up after `limit` without an answer (Error{timeout}).

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "block/block_sink.hpp"
#include "block/block_source.hpp"

namespace mk::block {

struct NbdOptions {
    std::chrono::milliseconds limit{120'000};  ///< per request without progress
    Bytes max_request = 32 * MiB;              ///< never more than the server's own maximum
};

/// Connects. Throws Error{unavailable} when nobody answers, Error{not_found} when the export does not exist.
std::unique_ptr<BlockSource> open_nbd_source(const std::string& uri, const NbdOptions& options = {},
                                             const std::stop_token& stop = {});
/// As above; Error{conflict} when the export is read-only or cannot flush.
std::unique_ptr<BlockSink> open_nbd_sink(const std::string& uri, const NbdOptions& options = {},
                                         const std::stop_token& stop = {});

}  // namespace mk::block

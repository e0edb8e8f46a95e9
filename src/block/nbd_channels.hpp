#pragma once
// The channels of our NBD client: the hot path of every copy. Internal to block/.
//
// What makes it fast (figures in docs/performance.md): one receive buffer per read channel, small enough to stay in the
// processor's cache; the end of one reply and the header of the next come with one call; request headers are sent
// together; a write is one call for header and payload; answers to writes are taken when they lie there and waited for
// only when too much is unanswered. No locks, no allocation per request.

#include <memory>

#include "block/block_sink.hpp"
#include "block/block_source.hpp"
#include "block/nbd_link.hpp"

namespace mk::block::nbd {

/// How much may be unanswered before a write waits. More gains nothing on a local socket; over a distance this is the
/// window of one channel, and lanes add up.
inline constexpr Bytes most_unanswered_bytes = 2 * MiB;
inline constexpr std::size_t most_unanswered_requests = 64;
/// Most read requests in flight on one channel.
inline constexpr std::size_t most_reads_in_flight = 64;

std::unique_ptr<ReadChannel> make_read_channel(std::unique_ptr<Link> link);
/// `keep` lives as long as the channel.
std::unique_ptr<WriteChannel> make_write_channel(std::unique_ptr<Link> link, std::shared_ptr<void> keep);

}  // namespace mk::block::nbd

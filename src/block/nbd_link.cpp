#include "block/nbd_link.hpp"

#include <algorithm>
#include <array>
#include <system_error>

#include <fmt/core.h>

#include "base/log.hpp"
#include "block/nbd_wire.hpp"

namespace mk::block::nbd {
namespace {

/// Disks are addressed in sectors; a server that wants larger blocks could not take the end of every disk.
constexpr Bytes sector = 512;

Bytes whole_sectors(Bytes length) {
    return std::max(length / sector * sector, sector);
}

}  // namespace

Link::Link(const NbdEndpoint& endpoint, const NbdOptions& options, const std::stop_token& stop)
    : peer_(endpoint.display_name), stream_(endpoint.dial(stop)) {
    stream_->set_limit(options.limit);
    run(stop, [&] { info_ = negotiate(*stream_, endpoint.export_name, peer_, options.limit); });
    learn_limits(options.max_request);
}

Link::~Link() {
    if (failure_) {
        return;
    }
    try {
        std::array<std::byte, RequestHeader::size> goodbye{};
        RequestHeader{.command = Command::disconnect}.write_to(goodbye.data());
        stream_->set_limit(std::chrono::milliseconds{0});
        stream_->write(goodbye);
    } catch (const Error& error) {
        log::debug("peer={} no goodbye: {}", peer_, error.cause());  // closing tells the server as well
    }
}

void Link::learn_limits(Bytes wanted_max) {
    if (info_.min_request > sector) {
        throw Error(ErrorCode::conflict,
                    fmt::format("{} takes only requests in multiples of {} bytes", peer_, info_.min_request),
                    {.remedy = "Use a server that takes single sectors of 512 bytes."});
    }
    const Bytes announced = info_.max_request > 0 ? info_.max_request : habitual_maximum;
    server_maximum_ = whole_sectors(announced);
    max_request_ = whole_sectors(std::min({wanted_max, announced, habitual_maximum}));
}

Error Link::broken_rule(const std::string& what) const {
    return Error(ErrorCode::corrupt, fmt::format("{} broke the rules of NBD: {}", peer_, what),
                 {.consequence = "The connection is not used any more.", .remedy = {}, .retry_safe = true});
}

void Link::check(const std::stop_token& stop) {
    if (failure_) {
        throw Error(*failure_);
    }
    if (stop.stop_requested()) {
        fail(Error(ErrorCode::cancelled, "the work with " + peer_ + " was stopped"), stop);
    }
}

void Link::fail(const Error& error, const std::stop_token& stop) {
    const bool is_ours = error.code() == ErrorCode::unavailable && stop.stop_requested();
    failure_ = is_ours             ? Error(ErrorCode::cancelled, "the work with " + peer_ + " was stopped")
               : error.retryable() ? error.within(peer_)
                                   : error;
    throw Error(*failure_);
}

std::size_t Link::checked(std::size_t got) const {
    if (got == 0) {
        throw Error(ErrorCode::unavailable, "the server closed the connection", {.retry_safe = true});
    }
    return got;
}

std::string error_text(std::uint32_t error_number) {
    const bool is_sane = error_number < 4096;
    return is_sane ? std::system_category().message(static_cast<int>(error_number))
                   : fmt::format("the unknown error {}", error_number);
}

}  // namespace mk::block::nbd

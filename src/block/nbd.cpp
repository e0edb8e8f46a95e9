#include "block/nbd.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "block/nbd_allocation.hpp"
#include "block/nbd_channels.hpp"
#include "block/nbd_wire.hpp"

namespace mk::block {

namespace {

/// One query for a whole large disk makes servers hold the answer too long; per GiB it is a blink.
constexpr Bytes extent_query = 1 * GiB;

void append(std::vector<Extent>& extents, Extent extent) {
    if (!extents.empty() && extents.back().is_zero == extent.is_zero &&
        extents.back().range.end() == extent.range.offset) {
        extents.back().range.length += extent.range.length;
    } else {
        extents.push_back(extent);
    }
}

/// Opens links to one export, which must stay what it was at the first one. Thread-safe.
class Dialer {
  public:
    Dialer(NbdEndpoint endpoint, const NbdOptions& options, const std::stop_token& stop)
        : endpoint_(std::move(endpoint)), options_(options), first_(dial(stop)), info_(first_->info()) {}

    const nbd::Export& info() const { return info_; }
    Bytes max_request() const { return max_request_; }

    /// The connection that learned about the export becomes the first channel: some servers take only one.
    std::unique_ptr<nbd::Link> open(const std::stop_token& stop) {
        {
            const std::lock_guard lock(mutex_);
            if (first_) {
                return std::move(first_);
            }
        }
        auto link = dial(stop);
        if (link->info().capacity != info_.capacity) {
            throw link->broken_rule("the export had " + std::to_string(info_.capacity) + " bytes and now has " +
                                    std::to_string(link->info().capacity));
        }
        return link;
    }

  private:
    std::unique_ptr<nbd::Link> dial(const std::stop_token& stop) {
        return std::make_unique<nbd::Link>(endpoint_, options_, stop);
    }

    const NbdEndpoint endpoint_;
    const NbdOptions options_;
    std::mutex mutex_;  // protects first_
    std::unique_ptr<nbd::Link> first_;
    const nbd::Export info_;
    const Bytes max_request_ = first_->max_request();
};

class NbdSource : public BlockSource {
  public:
    NbdSource(const std::string& uri, const NbdOptions& options, const std::stop_token& stop)
        : uri_(uri), limit_(options.limit), dialer_(nbd_endpoint(uri, options.limit), options, stop) {}

    Bytes capacity() const override { return dialer_.info().capacity; }
    Bytes max_request() const override { return dialer_.max_request(); }

    std::unique_ptr<ReadChannel> open_channel(const std::stop_token& stop) override {
        return nbd::make_read_channel(dialer_.open(stop));
    }

    std::vector<Extent> extents(Range range, const std::stop_token& stop) override {
        const std::lock_guard lock(mutex_);
        std::vector<Extent> out;
        for (Bytes at = range.offset; at < range.end();) {
            const Bytes length = std::min(extent_query, range.end() - at);
            for (const Extent& extent : query({at, length}, stop)) {
                append(out, extent);
                at = extent.range.end();
            }
        }
        return out;
    }

  private:
    /// At least one extent from the start of the range; may be shorter than the range. An answer that cannot be had is
    /// "data": allocation queries fail on some servers near the end of odd disks, and reading is always right.
    std::vector<Extent> query(Range range, const std::stop_token& stop) {
        try {
            if (!allocation_) {
                allocation_ = std::make_unique<NbdAllocation>(uri_, limit_, stop);
            }
            auto extents = allocation_->query(range, stop);
            if (!extents.empty()) {
                return extents;
            }
        } catch (const Error& error) {
            allocation_.reset();
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            if (!std::exchange(has_warned_, true)) {
                log::warn(
                    "event=allocation_query_failed offset={} length={} error=\"{}\": such ranges are read instead",
                    range.offset, range.length, error.cause());
            }
        }
        return {{range, false}};
    }

    const std::string uri_;
    const std::chrono::milliseconds limit_;
    Dialer dialer_;

    std::mutex mutex_;  // protects what follows; held during a query
    std::unique_ptr<NbdAllocation> allocation_;
    bool has_warned_ = false;
};

void check_writable(const nbd::Export& info, const std::string& peer) {
    if (info.has(nbd::flag_read_only)) {
        throw Error(ErrorCode::conflict, "the export at " + peer + " is read-only");
    }
    if (!info.has(nbd::flag_send_flush)) {
        throw Error(ErrorCode::conflict, "the export at " + peer + " cannot flush",
                    {.consequence = "Nothing written there could be called safe.",
                     .remedy = "Use a server that supports the flush command."});
    }
}

class NbdSink : public BlockSink {
  public:
    NbdSink(NbdEndpoint endpoint, const NbdOptions& options, const std::stop_token& stop)
        : peer_(endpoint.display_name),
          dialer_(std::move(endpoint), options, stop),
          instance_(dialer_.info().description) {
        check_writable(dialer_.info(), peer_);
    }

    Bytes capacity() const override { return dialer_.info().capacity; }
    Bytes max_request() const override { return dialer_.max_request(); }
    bool has_multi_conn() const override { return dialer_.info().has(nbd::flag_can_multi_conn); }

    std::unique_ptr<WriteChannel> open_channel(const std::stop_token& stop) override {
        auto ticket = take_ticket();
        auto link = dialer_.open(stop);
        check_writable(link->info(), peer_);
        {
            const std::lock_guard lock(mutex_);
            instance_ = link->info().description;
        }
        return nbd::make_write_channel(std::move(link), std::move(ticket));
    }

    std::string instance() const override {
        const std::lock_guard lock(mutex_);
        return instance_;
    }

  private:
    /// Lives as long as its channel.
    std::shared_ptr<void> take_ticket() {
        const std::lock_guard lock(mutex_);
        if (!has_multi_conn() && !open_.expired()) {
            throw Error(ErrorCode::conflict, peer_ + " takes one writing connection at a time",
                        {.consequence = "A flush on one connection would not cover what another wrote.",
                         .remedy = "Close the channel that is open.",
                         .retry_safe = true});
        }
        auto ticket = std::make_shared<int>();
        open_ = ticket;
        return ticket;
    }

    const std::string peer_;
    Dialer dialer_;

    mutable std::mutex mutex_;  // protects what follows
    std::string instance_;
    std::weak_ptr<void> open_;  ///< the last channel
};

}  // namespace

std::unique_ptr<BlockSource> open_nbd_source(const std::string& uri, const NbdOptions& options,
                                             const std::stop_token& stop) {
    return std::make_unique<NbdSource>(uri, options, stop);
}

std::unique_ptr<BlockSink> open_nbd_sink(NbdEndpoint endpoint, const NbdOptions& options, const std::stop_token& stop) {
    return std::make_unique<NbdSink>(std::move(endpoint), options, stop);
}

std::unique_ptr<BlockSink> open_nbd_sink(const std::string& uri, const NbdOptions& options,
                                         const std::stop_token& stop) {
    return open_nbd_sink(nbd_endpoint(uri, options.limit), options, stop);
}

}  // namespace mk::block

#include "block/nbd.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "block/nbd_connection.hpp"

namespace mk::block {

namespace {

/// Best size on the wire; larger requests lose to the cache (measured).
constexpr Bytes preferred_request = 1 * MiB;
/// One query for a whole large disk makes servers hold the answer too long; per GiB it is a blink.
constexpr Bytes extent_query = 1 * GiB;

void append(std::vector<Extent>& extents, Extent extent) {
    if (extent.range.length == 0) {
        return;
    }
    if (!extents.empty() && extents.back().is_zero == extent.is_zero &&
        extents.back().range.end() == extent.range.offset) {
        extents.back().range.length += extent.range.length;
    } else {
        extents.push_back(extent);
    }
}

/// Collects what the server answers to one block status request.
struct StatusAnswer {
    Bytes offset = 0;
    Bytes end = 0;
    std::vector<Extent> extents{};
    bool is_finished = false;
    int failure = 0;

    /// Retires the request at once.
    static int finish(void* user, int* error) {
        auto& answer = *static_cast<StatusAnswer*>(user);
        answer.is_finished = true;
        answer.failure = *error;
        return 1;
    }

    static int take(void* user, const char* context, std::uint64_t offset, std::uint32_t* entries, std::size_t count,
                    int* /*error*/) {
        auto& answer = *static_cast<StatusAnswer*>(user);
        if (std::string_view(context) != LIBNBD_CONTEXT_BASE_ALLOCATION || offset != answer.offset) {
            return 0;
        }
        for (std::size_t i = 0; i + 1 < count; i += 2) {
            // The last extent may reach beyond what was asked.
            const Bytes length = std::min<Bytes>(entries[i], answer.end - answer.offset);
            append(answer.extents, {{answer.offset, length}, (entries[i + 1] & LIBNBD_STATE_ZERO) != 0});
            answer.offset += length;
        }
        return 0;
    }
};

class NbdSource : public BlockSource {
  public:
    NbdSource(const std::string& uri, const NbdOptions& options, const std::stop_token& stop)
        : connection_(uri, options, stop) {}

    Bytes capacity() const override { return connection_.capacity(); }
    Bytes max_request() const override { return connection_.max_request(); }

    void read(Bytes offset, std::span<std::byte> buffer, const std::stop_token& stop) override {
        if (buffer.empty()) {
            return;
        }
        nbd_handle* handle = connection_.handle();
        connection_.run(
            {offset, buffer.size()}, std::min(max_request(), preferred_request), "read",
            [&](Bytes at, Bytes length) {
                return nbd_aio_pread(handle, buffer.data() + (at - offset), length, at, NBD_NULL_COMPLETION, 0);
            },
            stop);
    }

    std::vector<Extent> extents(Range range, const std::stop_token& stop) override {
        std::vector<Extent> out;
        for (Bytes at = range.offset; at < range.end();) {
            const Bytes length = std::min(extent_query, range.end() - at);
            for (const Extent& extent : query({at, length}, stop)) {
                append(out, extent);
            }
            at = out.back().range.end();
        }
        return out;
    }

  private:
    /// At least one extent from the start of the range; may be shorter than the range. An answer that cannot be had is
    /// "data": allocation queries fail on some servers near the end of odd disks, and reading is always right.
    std::vector<Extent> query(Range range, const std::stop_token& stop) {
        nbd_handle* handle = connection_.handle();
        const std::vector<Extent> unknown{{range, false}};
        if (nbd_can_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) != 1) {
            return unknown;
        }
        StatusAnswer answer{.offset = range.offset, .end = range.end()};
        const nbd_extent_callback take{.callback = &StatusAnswer::take, .user_data = &answer, .free = nullptr};
        const nbd_completion_callback done{.callback = &StatusAnswer::finish, .user_data = &answer, .free = nullptr};
        if (nbd_aio_block_status(handle, range.length, range.offset, take, done, 0) != -1) {
            connection_.serve_until([&] { return answer.is_finished; }, "query the allocation", stop);
        }
        if (answer.failure != 0 || answer.extents.empty()) {
            if (!std::exchange(has_warned_, true)) {
                log::warn("event=allocation_query_failed offset={} length={} error={}: such ranges are read instead",
                          range.offset, range.length, answer.failure);
            }
            return unknown;
        }
        return answer.extents;
    }

    NbdConnection connection_;
    bool has_warned_ = false;
};

class NbdSink : public BlockSink {
  public:
    NbdSink(const std::string& uri, const NbdOptions& options, const std::stop_token& stop)
        : connection_(uri, options, stop) {
        nbd_handle* handle = connection_.handle();
        if (nbd_is_read_only(handle) != 0) {
            throw Error(ErrorCode::conflict, "the target's export is read-only");
        }
        if (nbd_can_flush(handle) != 1) {
            throw Error(ErrorCode::conflict, "the target's export cannot flush",
                        {.consequence = "Nothing written there could be called safe.",
                         .remedy = "Use a server that supports the flush command."});
        }
        can_zero_ = nbd_can_zero(handle) == 1;
    }

    Bytes capacity() const override { return connection_.capacity(); }
    Bytes max_request() const override { return connection_.max_request(); }

    void write(Bytes offset, std::span<const std::byte> data, const std::stop_token& stop) override {
        if (data.empty()) {
            return;
        }
        nbd_handle* handle = connection_.handle();
        connection_.run(
            {offset, data.size()}, std::min(max_request(), preferred_request), "write",
            [&](Bytes at, Bytes length) {
                return nbd_aio_pwrite(handle, data.data() + (at - offset), length, at, NBD_NULL_COMPLETION, 0);
            },
            stop);
    }

    void zero(Range range, const std::stop_token& stop) override {
        if (range.length == 0) {
            return;
        }
        if (!can_zero_) {
            write_zeroes(range, stop);
            return;
        }
        nbd_handle* handle = connection_.handle();
        connection_.run(
            range, connection_.max_zero_request(), "zero",
            // No NO_HOLE flag: the server may punch a hole, which is what a sparse volume wants.
            [&](Bytes at, Bytes length) { return nbd_aio_zero(handle, length, at, NBD_NULL_COMPLETION, 0); }, stop);
    }

    void flush(const std::stop_token& stop) override {
        nbd_handle* handle = connection_.handle();
        connection_.run(
            {}, 0, "flush", [&](Bytes, Bytes) { return nbd_aio_flush(handle, NBD_NULL_COMPLETION, 0); }, stop);
    }

  private:
    void write_zeroes(Range range, const std::stop_token& stop) {
        const std::vector<std::byte> zeroes(std::min(range.length, preferred_request));
        for (Bytes at = range.offset; at < range.end();) {
            const Bytes length = std::min<Bytes>(zeroes.size(), range.end() - at);
            write(at, {zeroes.data(), length}, stop);
            at += length;
        }
    }

    NbdConnection connection_;
    bool can_zero_ = false;
};

}  // namespace

std::unique_ptr<BlockSource> open_nbd_source(const std::string& uri, const NbdOptions& options,
                                             const std::stop_token& stop) {
    return std::make_unique<NbdSource>(uri, options, stop);
}

std::unique_ptr<BlockSink> open_nbd_sink(const std::string& uri, const NbdOptions& options,
                                         const std::stop_token& stop) {
    return std::make_unique<NbdSink>(uri, options, stop);
}

}  // namespace mk::block

#include "source/vsphere/reconnecting_source.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/retry.hpp"

namespace mk::vsphere {
namespace {

// vCenter relays at most 2 MiB per NFC read; over HTTPS larger requests gain nothing (nbd.md section 2).
constexpr Bytes largest_request = 2 * MiB;

bool may_pass(const Error& error) {
    return error.retryable() || error.code() == ErrorCode::external || error.code() == ErrorCode::not_found;
}

}  // namespace

ReconnectingSource::ReconnectingSource(std::string name, Bytes capacity, Hooks hooks, const Pacing& pacing,
                                       const std::stop_token& stop)
    : name_(std::move(name)), capacity_(capacity), hooks_(std::move(hooks)), pacing_(pacing) {
    with_reader(stop, [](block::BlockSource&) {});
}

Bytes ReconnectingSource::max_request() const {
    return largest_request;
}

void ReconnectingSource::read(Bytes offset, std::span<std::byte> buffer, const std::stop_token& stop) {
    while (!buffer.empty()) {
        const auto piece = buffer.first(std::min<std::size_t>(buffer.size(), largest_request));
        with_reader(stop, [&](block::BlockSource& reader) { reader.read(offset, piece, stop); });
        offset += piece.size();
        buffer = buffer.subspan(piece.size());
    }
}

std::vector<block::Extent> ReconnectingSource::extents(Range range, const std::stop_token& stop) {
    const std::lock_guard lock(mutex_);
    try {
        if (reader_ && !closed_) {
            return reader_->extents(range, stop);
        }
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        log::debug("reader={} no extents: {}", name_, error.cause());
    }
    return {{range, false}};
}

void ReconnectingSource::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    reader_.reset();
}

void ReconnectingSource::with_reader(const std::stop_token& stop, const std::function<void(block::BlockSource&)>& use) {
    const std::lock_guard lock(mutex_);
    auto wait = pacing_.reader_first;
    for (int attempt = 1;; ++attempt) {
        std::optional<Error> failure;
        try {
            open_if_needed(stop);
            return use(*reader_);
        } catch (const Error& error) {
            reader_.reset();
            if (!may_pass(error) || attempt >= tries) {
                throw error.within(name_).advised(
                    {.consequence = "The copy of this disk stops; the last recovery point is unchanged.",
                     .remedy = {},
                     .retry_safe = true});
            }
            log::warn("reader={} try {} of {}: {}", name_, attempt, tries, error.cause());
            failure = error;
        }
        if (!pause(wait, stop)) {
            throw Error(ErrorCode::cancelled, name_ + ": reading was stopped");
        }
        wait *= 2;
        try {
            hooks_.repair(*failure, attempt, stop);
        } catch (const Error& error) {
            if (!error.retryable()) {
                throw error.within(name_);
            }
            log::warn("reader={} {}", name_, error.cause());
        }
    }
}

void ReconnectingSource::open_if_needed(const std::stop_token& stop) {
    if (closed_) {
        throw Error(ErrorCode::conflict, "the snapshot is already released");
    }
    if (reader_) {
        return;
    }
    auto reader = hooks_.open(stop);
    if (reader->capacity() != capacity_) {
        throw Error(ErrorCode::corrupt,
                    "the reader shows " + std::to_string(reader->capacity()) + " bytes, the snapshot " +
                        std::to_string(capacity_),
                    {.consequence = "Nothing is read: this is not the frozen disk.",
                     .remedy = "Repeat the sync.",
                     .retry_safe = true});
    }
    reader_ = std::move(reader);
}

}  // namespace mk::vsphere

#include "source/vsphere/reconnecting_source.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/retry.hpp"

namespace mk::vsphere {
namespace {

// vCenter relays at most 2 MiB per NFC read; over HTTPS larger requests gain nothing.
constexpr Bytes largest_request = 2 * MiB;
/// A disk with more bad places than that is not going to be copied.
constexpr std::size_t most_failed_ranges = 256;

bool may_pass(const Error& error) {
    return error.retryable() || error.code() == ErrorCode::external || error.code() == ErrorCode::not_found;
}

}  // namespace

/// Passes calls on and tells the source what becomes of them.
class ReconnectingSource::Channel : public block::ReadChannel {
  public:
    Channel(std::shared_ptr<ReconnectingSource> source, Reader reader, std::unique_ptr<ReadChannel> channel,
            std::uint64_t generation)
        : source_(std::move(source)),
          reader_(std::move(reader)),
          channel_(std::move(channel)),
          generation_(generation) {}

    void request(Range range) override {
        check();
        channel_->request(range);
    }

    Reply receive(const std::stop_token& stop) override {
        check();
        try {
            const Reply reply = channel_->receive(stop);
            if (source_->has_troubles_.load(std::memory_order_relaxed)) {
                source_->note_read(generation_, reply.range);
            }
            return reply;
        } catch (const block::ReadFailure& failure) {
            if (source_->note_failed(generation_, failure.range(), failure)) {
                throw block::ReadFailure(source_->final_error(failure), failure.range());
            }
            give_up(Error(ErrorCode::unavailable, failure.cause(), failure.advice()).with_native(failure.native()));
        } catch (const Error& error) {
            if (error.retryable()) {
                source_->note_broken(generation_, error);
            }
            give_up(error);
        }
    }

    std::size_t in_flight() const override { return channel_ ? channel_->in_flight() : 0; }

  private:
    void check() {
        if (source_->closed_) {
            failure_ = Error(ErrorCode::conflict, "the snapshot of " + source_->name_ + " is already released");
        }
        if (failure_) {
            give_up(Error(*failure_));
        }
    }

    /// The reader ends when the last channel on it has given up.
    [[noreturn]] void give_up(const Error& error) {
        failure_ = error;
        channel_.reset();
        reader_.reset();
        throw Error(error);
    }

    const std::shared_ptr<ReconnectingSource> source_;
    Reader reader_;
    std::unique_ptr<ReadChannel> channel_;
    const std::uint64_t generation_;
    std::optional<Error> failure_;
};

ReconnectingSource::ReconnectingSource(std::string name, Bytes capacity, Hooks hooks, const Pacing& pacing)
    : name_(std::move(name)), capacity_(capacity), hooks_(std::move(hooks)), pacing_(pacing) {}

std::shared_ptr<ReconnectingSource> ReconnectingSource::open(std::string name, Bytes capacity, Hooks hooks,
                                                             const Pacing& pacing, const std::stop_token& stop) {
    // Not make_shared: the constructor is private.
    std::shared_ptr<ReconnectingSource> source(
        new ReconnectingSource(std::move(name), capacity, std::move(hooks), pacing));
    source->with_reader(stop, [](const Reader&, std::uint64_t) { return nullptr; });
    return source;
}

Bytes ReconnectingSource::max_request() const {
    return largest_request;
}

std::unique_ptr<block::ReadChannel> ReconnectingSource::open_channel(const std::stop_token& stop) {
    return with_reader(stop, [&](const Reader& reader, std::uint64_t generation) {
        return std::make_unique<Channel>(shared_from_this(), reader, reader->open_channel(stop), generation);
    });
}

std::vector<block::Extent> ReconnectingSource::extents(Range range, const std::stop_token& stop) {
    Reader reader;
    {
        const std::lock_guard lock(mutex_);
        reader = reader_;
    }
    try {
        if (reader) {
            return reader->extents(range, stop);
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
    closed_ = true;
    const std::lock_guard lock(mutex_);
    reader_.reset();
}

std::unique_ptr<block::ReadChannel> ReconnectingSource::with_reader(const std::stop_token& stop, const Use& use) {
    const std::lock_guard replacing(replacing_);
    for (int attempt = 1;; ++attempt) {
        recover(stop);
        try {
            const auto [reader, generation] = current_or_new(stop);
            return use(reader, generation);
        } catch (const Error& error) {
            {
                const std::lock_guard lock(mutex_);
                count_failure(error);
            }
            if (!may_pass(error) || attempt >= tries) {
                throw final_error(error);
            }
            log::warn("reader={} try {} of {}: {}", name_, attempt, tries, error.cause());
        }
    }
}

std::pair<ReconnectingSource::Reader, std::uint64_t> ReconnectingSource::current_or_new(const std::stop_token& stop) {
    {
        const std::lock_guard lock(mutex_);
        if (closed_) {
            throw Error(ErrorCode::conflict, "the snapshot is already released");
        }
        if (reader_) {
            return {reader_, generation_};
        }
    }
    Reader reader = hooks_.open(stop);
    if (reader->capacity() != capacity_) {
        throw Error(ErrorCode::corrupt,
                    "the reader shows " + std::to_string(reader->capacity()) + " bytes, the snapshot " +
                        std::to_string(capacity_),
                    {.consequence = "Nothing is read: this is not the frozen disk.",
                     .remedy = "Repeat the sync.",
                     .retry_safe = true});
    }
    const std::lock_guard lock(mutex_);
    if (!closed_) {
        reader_ = reader;
    }
    return {std::move(reader), ++generation_};
}

/// After a failure: a pause that grows from failure to failure, then a look after the session.
void ReconnectingSource::recover(const std::stop_token& stop) {
    std::optional<Error> failure;
    int failures = 0;
    {
        const std::lock_guard lock(mutex_);
        failure.swap(failure_);
        failures = std::max(failures_, 1);
    }
    if (!failure || closed_) {
        return;
    }
    if (!pause(pacing_.reader_first * (1 << (failures - 1)), stop)) {
        throw Error(ErrorCode::cancelled, name_ + ": reading was stopped");
    }
    try {
        hooks_.repair(*failure, failures, stop);
    } catch (const Error& error) {
        if (!error.retryable()) {
            throw error.within(name_);
        }
        log::warn("reader={} {}", name_, error.cause());
    }
}

void ReconnectingSource::count_failure(const Error& error) {
    reader_.reset();
    failure_ = error;
    failures_ = failures_ % tries + 1;  // when the caller is more patient than we are, the series begins anew
    has_troubles_ = true;
}

Error ReconnectingSource::final_error(const Error& error) const {
    return error.within(name_).advised(
        {.consequence = "The copy of this disk stops; the last recovery point is unchanged.",
         .remedy = {},
         .retry_safe = true});
}

void ReconnectingSource::note_broken(std::uint64_t generation, const Error& error) {
    const std::lock_guard lock(mutex_);
    if (generation == generation_ && reader_) {  // otherwise another channel was first
        log::warn("reader={} is replaced: {}", name_, error.cause());
        count_failure(error);
    }
}

bool ReconnectingSource::note_failed(std::uint64_t generation, Range range, const Error& error) {
    {
        const std::lock_guard lock(mutex_);
        has_troubles_ = true;
        if (++failed_[range.offset] >= tries || failed_.size() > most_failed_ranges) {
            return true;
        }
    }
    note_broken(generation, error);
    return false;
}

void ReconnectingSource::note_read(std::uint64_t generation, Range range) {
    const std::lock_guard lock(mutex_);
    failed_.erase(range.offset);
    if (generation == generation_ && reader_) {
        failures_ = 0;
        has_troubles_ = !failed_.empty();
    }
}

}  // namespace mk::vsphere

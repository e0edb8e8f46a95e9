#include "tunnel/tls_wire.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <openssl/bio.h>

#include "base/bytes.hpp"
#include "base/error.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Two records: half the system calls, and the bytes are still in the nearest cache when the kernel copies them.
/// Batches of 64 to 256 KiB took five to ten percent more processor time.
constexpr std::size_t batch = 32 * KiB;
constexpr std::size_t read_ahead = 128 * KiB;
/// A batch is sent as soon as it is reached; what one more record adds must fit.
constexpr std::size_t largest_record = 17 * KiB;
constexpr milliseconds initial_limit{120'000};

}  // namespace

/// The functions that OpenSSL calls.
struct TlsWireMethods {
    static TlsWire& wire_of(BIO* bio) { return *static_cast<TlsWire*>(BIO_get_data(bio)); }

    static int write(BIO* bio, const char* data, std::size_t size, std::size_t* written) noexcept {
        auto& wire = wire_of(bio);
        BIO_clear_retry_flags(bio);
        try {
            wire.append(std::as_bytes(std::span(data, size)));
            *written = size;
            return 1;
        } catch (...) {  // told by rethrow_failure()
            wire.failure_ = std::current_exception();
            return 0;
        }
    }

    static int read(BIO* bio, char* data, std::size_t size, std::size_t* got) noexcept {
        auto& wire = wire_of(bio);
        BIO_clear_retry_flags(bio);
        *got = 0;
        try {
            if (!wire.has_input() && !wire.fill()) {
                BIO_set_retry_read(bio);
                return 0;
            }
            *got = wire.take(std::as_writable_bytes(std::span(data, size)));
            return *got > 0 ? 1 : 0;
        } catch (...) {  // told by rethrow_failure()
            wire.failure_ = std::current_exception();
            return 0;
        }
    }

    static long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) noexcept {
        auto& wire = wire_of(bio);
        if (command == BIO_CTRL_EOF) {
            return wire.is_at_end_ && !wire.has_input() ? 1 : 0;
        }
        // A flush of the handshake need not be sent at once: before the next wait it is.
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }

    /// Made once, kept for the life of the process.
    static const BIO_METHOD* get() {
        static const BIO_METHOD* const methods = [] {
            BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mk tunnel");
            if (made != nullptr) {
                BIO_meth_set_write_ex(made, &TlsWireMethods::write);
                BIO_meth_set_read_ex(made, &TlsWireMethods::read);
                BIO_meth_set_ctrl(made, &TlsWireMethods::control);
            }
            return made;
        }();
        return methods;
    }
};

TlsWire::TlsWire(std::unique_ptr<os::ByteStream> lower)
    : lower_(std::move(lower)), input_(read_ahead), limit_(initial_limit) {
    output_.reserve(batch + largest_record);
}

BIO* TlsWire::make_bio() {
    BIO* const bio = TlsWireMethods::get() == nullptr ? nullptr : BIO_new(TlsWireMethods::get());
    if (bio == nullptr) {
        throw Error(ErrorCode::exhausted, "there is no memory for a connection");
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    return bio;
}

void TlsWire::set_limit(milliseconds limit) {
    limit_ = limit;
    lower_->set_limit(limit);
}

void TlsWire::limit_to_deadline() {
    if (!deadline_) {
        return;
    }
    const auto left = std::chrono::ceil<milliseconds>(*deadline_ - steady_clock::now());
    if (left <= milliseconds::zero()) {
        throw Error(ErrorCode::timeout, "the peer was not done in time", {.retry_safe = true});
    }
    lower_->set_limit(std::min(left, limit_));
}

void TlsWire::set_deadline(std::optional<steady_clock::time_point> deadline) {
    deadline_ = deadline;
    if (!deadline_) {
        restore_limit();
    }
}

void TlsWire::flush() {
    if (output_.empty()) {
        return;
    }
    if (is_broken_) {
        throw Error(ErrorCode::unavailable, "the connection has failed before", {.retry_safe = true});
    }
    limit_to_deadline();
    is_broken_ = true;
    lower_->write(std::span<const std::byte>(output_));
    is_broken_ = false;
    output_.clear();
}

void TlsWire::append(std::span<const std::byte> data) {
    output_.insert(output_.end(), data.begin(), data.end());
    if (output_.size() >= batch) {
        flush();
    }
}

bool TlsWire::fill() {
    if (is_at_end_) {
        return true;
    }
    flush();  // the peer may wait for it before it says anything
    std::size_t got = 0;
    if (is_blocking_) {
        limit_to_deadline();
        got = lower_->read_some(input_);
    } else if (const auto now = lower_->read_now(input_)) {
        got = *now;
    } else {
        return false;
    }
    begin_ = 0;
    end_ = got;
    is_at_end_ = got == 0;
    return true;
}

std::size_t TlsWire::take(std::span<std::byte> buffer) {
    const auto size = std::min(buffer.size(), end_ - begin_);
    if (size > 0) {
        std::memcpy(buffer.data(), input_.data() + begin_, size);
        begin_ += size;
    }
    return size;
}

void TlsWire::rethrow_failure() {
    if (failure_) {
        std::rethrow_exception(std::exchange(failure_, nullptr));
    }
}

}  // namespace mk::tunnel

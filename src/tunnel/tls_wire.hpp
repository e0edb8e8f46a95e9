#pragma once
// A ByteStream as OpenSSL's transport (BIO). Collects what OpenSSL writes, record by record of 16 KiB, into large
// batches, and reads ahead in large pieces: so a system call carries many records. An exception of the stream below
// must not fly through C; it is kept here, and whoever called OpenSSL throws it on.

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <openssl/types.h>

#include "os/byte_stream.hpp"

namespace mk::tunnel {

class TlsWire {
  public:
    explicit TlsWire(std::unique_ptr<os::ByteStream> lower);

    /// A new BIO that refers to this object, which must outlive it. Throws Error{exhausted}.
    BIO* make_bio();

    os::ByteStream& lower() { return *lower_; }
    const os::ByteStream& lower() const { return *lower_; }

    /// Waits for bytes (the default) or tells OpenSSL to try again later.
    void set_blocking(bool is_blocking) { is_blocking_ = is_blocking; }
    /// Until further notice no wait goes beyond this instant: for a handshake as a whole.
    void set_deadline(std::optional<std::chrono::steady_clock::time_point> deadline);
    void set_limit(std::chrono::milliseconds limit);
    /// After somebody gave the stream below another limit.
    void restore_limit() { lower_->set_limit(limit_); }

    /// Sends what was collected.
    void flush();
    bool has_input() const { return begin_ < end_; }
    /// Throws on what the stream below threw inside of OpenSSL, if it did.
    void rethrow_failure();

  private:
    friend struct TlsWireMethods;
    void append(std::span<const std::byte> data);
    /// False when nothing is there and waiting is not wanted.
    bool fill();
    std::size_t take(std::span<std::byte> buffer);
    void limit_to_deadline();

    std::unique_ptr<os::ByteStream> lower_;
    std::vector<std::byte> output_;
    std::vector<std::byte> input_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool is_at_end_ = false;
    bool is_broken_ = false;  ///< a part of a batch may be on its way: nothing may follow
    bool is_blocking_ = true;
    std::chrono::milliseconds limit_;
    std::optional<std::chrono::steady_clock::time_point> deadline_;
    std::exception_ptr failure_;
};

}  // namespace mk::tunnel

#pragma once
// One NBD connection on libnbd's asynchronous calls, so that every wait ends at a stop request or after the limit.
// Internal to block/. One thread at a time. After Error{cancelled}, {timeout} or {unavailable} the connection is closed
// for good: requests in flight may still point into the caller's buffers, and only closing the handle ends that.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include <libnbd.h>

#include "base/bytes.hpp"
#include "block/nbd.hpp"

namespace mk::block {

class NbdConnection {
  public:
    NbdConnection(const std::string& uri, const NbdOptions& options, const std::stop_token& stop);
    ~NbdConnection();
    NbdConnection(const NbdConnection&) = delete;
    NbdConnection& operator=(const NbdConnection&) = delete;

    /// Throws Error{unavailable} when the connection was closed.
    nbd_handle* handle() const;
    Bytes capacity() const { return capacity_; }
    /// The options' limit, or the server's when that is smaller.
    Bytes max_request() const { return max_request_; }
    /// For requests without payload.
    Bytes max_zero_request() const { return max_zero_request_; }

    /// Sends one request for [offset, offset + length) and returns its cookie, -1 for a failure.
    using Issue = std::function<std::int64_t(Bytes offset, Bytes length)>;
    /// Cuts the range into requests of at most `piece` bytes and keeps a few of them in flight until all are answered.
    /// `what` names the operation in errors: "read", "write".
    void run(Range range, Bytes piece, const char* what, const Issue& issue, const std::stop_token& stop);
    /// Serves the connection until `is_done`, for a request whose completion callback retires it: such a request may
    /// fail without the connection being closed.
    void serve_until(const std::function<bool()>& is_done, const char* what, const std::stop_token& stop);

  private:
    class Stopper;
    [[noreturn]] void fail(const char* what, Bytes offset);
    void connect(const std::string& uri, const Stopper& stopper);
    void open_export(const Stopper& stopper);
    void learn_limits();
    /// Handles one event of the connection.
    void step(const char* what, const Stopper& stopper, std::chrono::steady_clock::time_point deadline);
    void close();

    nbd_handle* handle_ = nullptr;
    std::string peer_;
    NbdOptions options_;
    Bytes capacity_ = 0;
    Bytes max_request_ = 0;
    Bytes max_zero_request_ = 0;
};

}  // namespace mk::block

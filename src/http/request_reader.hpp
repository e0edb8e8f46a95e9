#pragma once
// Reads one HTTP/1.1 request from bytes as they come, under limits. Knows nothing of sockets, so that tests and fuzzers
// can feed it directly. The only place that knows the parser library. One object per connection, one thread.

#include <cstddef>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "http/server.hpp"

namespace mk::http {

/// Why a request is not served, and the status that says so.
struct Refusal {
    int status;
    Error error;
};

class RequestReader {
  public:
    enum class Progress { needs_more, header_complete, complete, refused };

    RequestReader(std::size_t header_limit, std::size_t body_limit);
    ~RequestReader();

    /// Makes ready for the next request of the connection.
    void reset();
    /// Takes what it can from the front of `input`; the rest stays there. Tells `header_complete` once, before it looks
    /// at the body, even when there is none. After `refused` only reset() is allowed.
    Progress consume(std::string& input);

    // After header_complete:
    bool is_head() const;
    bool keeps_alive() const;
    /// The client waits for "100 Continue" before it sends the body.
    bool expects_continue() const;
    // After refused:
    const Refusal& refusal() const;
    /// After complete: everything but `params`, `principal` and `stop`.
    ServerRequest take();

  private:
    struct State;

    Progress refuse(int status, std::string cause);
    Progress on_header();

    const std::size_t header_limit_;
    const std::size_t body_limit_;
    std::unique_ptr<State> state_;
};

}  // namespace mk::http

#pragma once
// One CloudStack management server: signed requests, paging, asynchronous jobs (cloudstack.md sections 2 and 3).
// Thread-safe. Query strings are secrets: nothing here logs them or puts them into an error.
//
// Errors: as the table of section 2.4, native() = the error code as text. Where nobody knows whether a command took
// effect (no answer to it, job failed without result, job vanished) Error{timeout} with native() "OutcomeUnknown": read
// the object's state. A 429 is waited out as the server asks, within Options::rate_limit_patience.
//
// With a journal every command that changes something is noted: before it is sent, with its job before the job is
// waited for, and how it ended. What cannot be noted is not sent; once it is sent, a journal that fails is only logged.
// A job that outlives our patience stays open in the journal.

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/retry.hpp"
#include "base/secret.hpp"
#include "http/client.hpp"
#include "model/effect_journal.hpp"
#include "target/cloudstack/answer.hpp"
#include "target/cloudstack/signer.hpp"

namespace mk::cloudstack {

struct Endpoint {
    std::string url;  ///< "host", "host:port" or a whole URL; see complete_url()
    Secret api_key;
    Secret secret_key;
    http::TlsTrust trust{};
};

/// "host:port" -> "http://host:port/client/api". Without a scheme port 443 and 8443, and a host without port, mean
/// https. Throws Error{invalid}.
std::string complete_url(const std::string& url);

struct JobHandle {
    std::string job_id;
    std::string object_id;  ///< of create commands: known before the job ends
    std::string note{};     ///< of the journal; empty without one
};

/// What became of a job that somebody else began. `unknown`: nobody can tell any more.
enum class JobEnd { done, failed, unknown, still_running };

using Transport = std::function<http::Response(const http::Request&, const std::stop_token&)>;

struct ClientOptions {
    Transport transport{};  ///< empty: HTTP with a pool of connections
    std::shared_ptr<const Clock> clock = std::make_shared<SystemClock>();
    std::chrono::milliseconds list_limit{60'000};
    std::chrono::milliseconds command_limit{120'000};
    std::chrono::milliseconds first_poll{300};
    std::chrono::milliseconds poll_pause{1000};  ///< never less between polls of real servers (section 2.6)
    std::chrono::milliseconds longest_poll_pause{10'000};
    std::chrono::milliseconds rate_limit_patience{120'000};
    RetryPolicy read_retry{};          ///< of list commands: they have no effect
    EffectJournal* journal = nullptr;  ///< none: nothing is noted. Must outlive the client
};

class Client {
  public:
    using PollCallback = std::function<void()>;

    explicit Client(Endpoint endpoint, ClientOptions options = {});
    ~Client();

    /// All elements of all pages as an array. `list_key` is the name of the array ("volume").
    Json list(const std::string& command, const Parameters& parameters, const std::string& list_key,
              const std::stop_token& stop = {}) const;
    /// A synchronous command; the content of its envelope.
    Json call(const std::string& command, const Parameters& parameters, const std::stop_token& stop = {}) const;
    Json call(const std::string& command, const Parameters& parameters, std::chrono::milliseconds limit,
              const std::stop_token& stop) const;
    /// Begins an asynchronous command.
    JobHandle start(const std::string& command, const Parameters& parameters, const std::stop_token& stop = {}) const;
    /// The job's result. A management server that is away for a while is waited for. Error{timeout, "JobStillRunning"}
    /// when the limit is over, Error{cancelled} when stopped: the job goes on in both cases.
    Json wait(const JobHandle& job, std::chrono::milliseconds limit, const std::stop_token& stop = {},
              const PollCallback& on_poll = {}) const;
    /// Waits for a job that an earlier process began, without judging it: whatever it came to, the object's state is
    /// what counts. Throws only when CloudStack cannot be asked, or when stopped.
    JobEnd settle(const JobHandle& job, std::chrono::milliseconds limit, const std::stop_token& stop) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace mk::cloudstack

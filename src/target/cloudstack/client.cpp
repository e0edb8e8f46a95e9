#include "target/cloudstack/client.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

#include <fmt/core.h>

#include "base/log.hpp"
#include "http/url.hpp"
#include "target/cloudstack/command_notes.hpp"
#include "target/cloudstack/fields.hpp"

namespace mk::cloudstack {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

bool is_reading(const std::string& command) {
    return command.starts_with("list") || command.starts_with("query");
}

Error unknown_outcome(const std::string& cause) {
    return Error(ErrorCode::timeout, cause,
                 {.consequence = "It is not known whether the command took effect.",
                  .remedy = "The state of the object decides; repeating the operation reads it first.",
                  .retry_safe = true})
        .with_native(std::string(outcome_unknown));
}

/// A job that is over.
struct EndedJob {
    JobEnd end = JobEnd::done;
    Json result = Json::object();
    std::optional<Error> failure{};
};

const char* word_of(JobEnd end) {
    return end == JobEnd::done ? "done" : end == JobEnd::failed ? "failed" : "unknown";
}

EndedJob lost(const std::string& cause) {
    return {.end = JobEnd::unknown, .result = {}, .failure = unknown_outcome(cause)};
}

EndedJob ended_job(const std::string& id, std::int64_t status, const Json& state) {
    const auto result = state.find("jobresult");
    if (status == 1) {
        return {.end = JobEnd::done, .result = result == state.end() ? Json::object() : *result};
    }
    if (result == state.end() || !result->is_object()) {
        return lost("CloudStack's job " + id + " failed without a result");
    }
    const auto code = number_field(*result, "errorcode").value_or(number_field(state, "jobresultcode").value_or(530));
    return {.end = JobEnd::failed,
            .result = {},
            .failure = error_of(static_cast<int>(code), text_field(*result, "errortext"), "the job " + id)};
}

/// Connections that threads borrow: a Client of http serves one thread at a time.
class ConnectionPool {
  public:
    explicit ConnectionPool(http::TlsTrust trust) : trust_(std::move(trust)) {}

    http::Response send(const http::Request& request, const std::stop_token& stop) {
        auto client = take();
        auto response = client->send(request, stop);  // a connection that failed is not put back
        const std::lock_guard lock(idle_mutex_);
        if (idle_.size() < 8) {
            idle_.push_back(std::move(client));
        }
        return response;
    }

  private:
    std::unique_ptr<http::Client> take() {
        const std::lock_guard lock(idle_mutex_);
        if (idle_.empty()) {
            return std::make_unique<http::Client>(trust_);
        }
        auto client = std::move(idle_.back());
        idle_.pop_back();
        return client;
    }

    const http::TlsTrust trust_;
    std::mutex idle_mutex_;
    std::vector<std::unique_ptr<http::Client>> idle_;
};

}  // namespace

std::string complete_url(const std::string& url) {
    std::string rest = url;
    std::string scheme;
    if (const auto found = rest.find("://"); found != std::string::npos) {
        scheme = rest.substr(0, found);
        rest.erase(0, found + 3);
    }
    const auto slash = rest.find('/');
    const auto host = rest.substr(0, slash);
    auto path = slash == std::string::npos ? std::string() : rest.substr(slash);
    const bool is_known_scheme = scheme.empty() || scheme == "http" || scheme == "https";
    if (host.empty() || !is_known_scheme || rest.find_first_of(" ?#@") != std::string::npos) {
        throw Error(
            ErrorCode::invalid, "the CloudStack address is not valid",
            {.remedy =
                 "Enter it as host:port, for example cloud.example.com:8080, or as a URL without user and query."});
    }
    if (scheme.empty()) {
        const auto colon = host.rfind(':');
        const auto port = colon == std::string::npos ? std::string() : host.substr(colon + 1);
        scheme = port.empty() || port == "443" || port == "8443" ? "https" : "http";
    }
    while (path.ends_with('/')) {
        path.pop_back();
    }
    if (path.empty()) {
        path = "/client/api";
    } else if (path == "/client") {
        path += "/api";
    }
    return scheme + "://" + host + path;
}

struct Client::Impl {
    Endpoint endpoint;
    ClientOptions options;
    ConnectionPool pool;
    CommandNotes notes;

    Impl(Endpoint given, ClientOptions chosen)
        : endpoint(std::move(given)), options(std::move(chosen)), pool(endpoint.trust), notes(options.journal) {
        endpoint.url = complete_url(endpoint.url);
        if (!options.transport) {
            options.transport = [this](const http::Request& request, const std::stop_token& stop) {
                return pool.send(request, stop);
            };
        }
    }

    http::Request request_for(const std::string& command, const Parameters& given, milliseconds limit) const {
        Parameters all = given;
        all.emplace_back("command", command);
        all.emplace_back("response", "json");
        all.emplace_back("apikey", endpoint.api_key.reveal());
        // Version 3 is mandatory on some sites and understood by all; the server accepts at most 15 minutes ahead.
        all.emplace_back("signatureversion", "3");
        all.emplace_back("expires", expires_text(options.clock->now() + std::chrono::minutes{10}));
        all.emplace_back("signature", signature_of(all, endpoint.secret_key));
        http::Request request;
        request.limit = limit;
        request.url = endpoint.url;
        if (is_reading(command)) {
            request.url += "?" + encode_form(all);
        } else {
            request.method = "POST";
            request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
            request.body = encode_form(all);
            request.send_once = true;
        }
        return request;
    }

    Json send_once(const std::string& command, const Parameters& given, milliseconds limit,
                   const std::stop_token& stop) const {
        http::Response response;
        try {
            response = options.transport(request_for(command, given, limit), stop);
        } catch (const Error& error) {
            if (is_reading(command) || !error.retryable()) {
                throw;
            }
            throw unknown_outcome(fmt::format("CloudStack gave no answer to {}: {}", command, error.cause()));
        }
        try {
            return open_envelope(response.status, response.body, command);
        } catch (const Error& error) {
            if (is_reading(command) || error.native() != foreign_answer) {
                throw;
            }
            throw unknown_outcome(error.cause());
        }
    }

    /// Waits as the server asks while it answers 429: such a request had no effect, so repeating is safe for all
    /// commands.
    Json send(const std::string& command, const Parameters& given, milliseconds limit,
              const std::stop_token& stop) const {
        const auto give_up = SteadyClock::now() + options.rate_limit_patience;
        while (true) {
            try {
                return send_once(command, given, limit, stop);
            } catch (const Error& error) {
                const auto wait = wait_of_rate_limit(error.cause());
                if (error.native() != "429" || SteadyClock::now() + wait > give_up) {
                    throw;
                }
                log::debug("command={} CloudStack limits the rate, waiting {} ms", command, wait.count());
                if (!pause(wait, stop)) {
                    throw Error(ErrorCode::cancelled, "stopped while waiting for CloudStack's rate limit");
                }
            }
        }
    }

    Json read(const std::string& command, const Parameters& given, const std::stop_token& stop) const {
        Json content;
        retry(options.read_retry, stop, [&] { content = send(command, given, options.list_limit, stop); });
        return content;
    }

    /// One look at a job: nothing while it is pending. Throws when CloudStack cannot be asked.
    std::optional<EndedJob> poll(const JobHandle& job, const std::stop_token& stop) const {
        Json state;
        try {
            state = send("queryAsyncJobResult", {{"jobid", job.job_id}}, options.list_limit, stop);
        } catch (const Error& error) {
            // Purged after a day, or of an account that is not ours any more: both are gone for us.
            if (error.native() == "431" || error.native() == "531") {
                return lost("CloudStack does not know the job " + job.job_id + " any more");
            }
            if (error.retryable()) {
                return std::nullopt;  // the management server is away; the limit bounds our patience
            }
            throw;
        }
        const auto status = number_field(state, "jobstatus").value_or(0);
        return status == 0 ? std::nullopt : std::optional(ended_job(job.job_id, status, state));
    }

    /// Polls until the job is over, and notes its end; nothing when it is still running after `limit`.
    std::optional<EndedJob> await(const JobHandle& job, milliseconds limit, const std::stop_token& stop,
                                  const PollCallback& on_poll) const {
        const auto give_up = SteadyClock::now() + limit;
        auto next = options.first_poll;
        auto longer = options.poll_pause;
        while (true) {
            if (!pause(next, stop)) {
                throw Error(ErrorCode::cancelled, "stopped while waiting for CloudStack's job " + job.job_id);
            }
            if (auto ended = poll(job, stop)) {
                notes.ended(job.note, word_of(ended->end));
                return ended;
            }
            if (on_poll) {
                on_poll();
            }
            if (SteadyClock::now() >= give_up) {
                return std::nullopt;
            }
            next = longer;
            longer = std::min(options.longest_poll_pause, longer * 5 / 4);
        }
    }
};

Client::Client(Endpoint endpoint, ClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(endpoint), std::move(options))) {}
Client::~Client() = default;

Json Client::list(const std::string& command, const Parameters& parameters, const std::string& list_key,
                  const std::stop_token& stop) const {
    Json all = Json::array();
    // The size of the first, unpaged answer is the server's own page size: asking for more would be refused with 431.
    std::size_t page_size = 0;
    for (int page = 1; page <= 10'000; ++page) {
        auto paged = parameters;
        if (page > 1) {
            paged.emplace_back("page", std::to_string(page));
            paged.emplace_back("pagesize", std::to_string(page_size));
        }
        const Json content = impl_->read(command, paged, stop);
        const auto elements = content.find(list_key);
        if (elements == content.end() || !elements->is_array() || elements->empty()) {
            break;
        }
        all.insert(all.end(), elements->begin(), elements->end());
        page_size = page == 1 ? elements->size() : page_size;
        const auto count = number_field(content, "count").value_or(0);
        if (count <= static_cast<std::int64_t>(all.size())) {
            break;
        }
    }
    return all;
}

Json Client::call(const std::string& command, const Parameters& parameters, const std::stop_token& stop) const {
    if (is_reading(command)) {
        return impl_->read(command, parameters, stop);
    }
    return call(command, parameters, impl_->options.command_limit, stop);
}

Json Client::call(const std::string& command, const Parameters& parameters, milliseconds limit,
                  const std::stop_token& stop) const {
    if (is_reading(command)) {
        return impl_->send(command, parameters, limit, stop);
    }
    const auto note = impl_->notes.begin(command, parameters);
    try {
        auto content = impl_->send(command, parameters, limit, stop);
        impl_->notes.ended(note, "done");
        return content;
    } catch (const Error& error) {
        impl_->notes.not_taken(note, error);
        throw;
    }
}

JobHandle Client::start(const std::string& command, const Parameters& parameters, const std::stop_token& stop) const {
    const auto note = impl_->notes.begin(command, parameters);
    Json content;
    try {
        content = impl_->send(command, parameters, impl_->options.command_limit, stop);
    } catch (const Error& error) {
        impl_->notes.not_taken(note, error);
        throw;
    }
    JobHandle job{.job_id = text_field(content, "jobid"), .object_id = text_field(content, "id"), .note = note};
    if (job.job_id.empty()) {
        impl_->notes.ended(note, "unknown");
        throw Error(ErrorCode::external, "CloudStack answered " + command + " without a job id");
    }
    impl_->notes.submitted(job);
    return job;
}

Json Client::wait(const JobHandle& job, milliseconds limit, const std::stop_token& stop,
                  const PollCallback& on_poll) const {
    auto ended = impl_->await(job, limit, stop, on_poll);
    if (!ended) {
        throw Error(
            ErrorCode::timeout, "CloudStack's job " + job.job_id + " is still running after the time limit",
            {.consequence = "It may still take effect.", .remedy = "Repeat the operation later.", .retry_safe = true})
            .with_native(std::string(job_still_running));
    }
    if (ended->failure) {
        throw *ended->failure;
    }
    return std::move(ended->result);
}

JobEnd Client::settle(const JobHandle& job, milliseconds limit, const std::stop_token& stop) const {
    const auto ended = impl_->await(job, limit, stop, {});
    return ended ? ended->end : JobEnd::still_running;
}

}  // namespace mk::cloudstack

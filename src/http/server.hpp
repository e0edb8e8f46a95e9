#pragma once
// HTTP/1.1 server on Boost.Asio + Beast's parser (cpp-stack.md section 3): one I/O thread owns the sessions, a worker
// pool runs handlers, plain functions. Handlers are called from several threads at once. Limits: header 16 KiB, body 1
// MiB, absolute deadlines per phase. No Boost type shows here.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace mk::http {

struct ServerRequest {
    std::string method;
    std::string path;      ///< decoded, without query
    std::string raw_path;  ///< as sent: the Router splits this one, so that %2F stays inside a segment;
                           ///< empty in hand-made requests, then `path` is split
    std::map<std::string, std::string> query;    ///< decoded; of repeated names the last
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::map<std::string, std::string> params;   ///< path parameters, filled by the Router
    std::string body;
    std::string request_id;  ///< from X-Request-Id or new; echoed in the answer
    std::string principal;   ///< who is calling, filled by authentication
    std::stop_token stop;    ///< requested when Server::stop() cuts the request: pass it to blocking calls

    /// The body as JSON object. Throws Error{invalid} when it is anything else.
    Json json() const;
};

struct ServerResponse {
    int status = 200;
    std::string content_type = "application/json";
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};
};

using Handler = std::function<ServerResponse(const ServerRequest&)>;

ServerResponse json_response(const Json& body, int status = 200);
/// RFC 9457 problem document: type, title, status, detail (cause), plus code, consequence, remedy, retry_safe,
/// request_id.
ServerResponse problem(const Error& error, const std::string& request_id);
/// With a status that no ErrorCode stands for (405, 413, ...).
ServerResponse problem(const Error& error, const std::string& request_id, int status);
int http_status(ErrorCode code);

/// A trie of path segments; "/api/v1/vms/{id}" fills params["id"]. 404 and 405 are told apart. Not thread-safe while
/// adding.
class Router {
  public:
    /// Requests without valid bearer token are answered 401 unless the route is `open`. The check returns the principal
    /// or throws Error{unauthenticated}. It is called for every request, known path or not, so that nothing can be
    /// probed.
    using Authenticator = std::function<std::string(std::string_view bearer_token)>;

    explicit Router(Authenticator authenticate);
    ~Router();
    Router(Router&&) noexcept;

    void add(const std::string& method, const std::string& pattern, Handler handler, bool open = false);
    /// Never throws: errors of handlers become problem documents, unknown exceptions a logged 500.
    ServerResponse handle(ServerRequest request) const;
    /// "GET /api/v1/vms/{id}" of every route, sorted: what the contract test compares with the OpenAPI document.
    std::vector<std::string> routes() const;

  private:
    struct Node;
    std::unique_ptr<Node> root_;
    Authenticator authenticate_;
    std::vector<std::string> routes_;
};

/// Absolute per phase: they do not restart when a byte arrives.
struct ServerDeadlines {
    std::chrono::milliseconds header{10'000};  ///< from the connection or the first byte to the end of the header
    std::chrono::milliseconds body{30'000};
    std::chrono::milliseconds idle{60'000};   ///< between two requests of one connection
    std::chrono::milliseconds write{30'000};  ///< of one answer, plus its size at the rate of `slowest_reader`
    std::chrono::milliseconds linger{2'000};  ///< reading on after a refused body, else the reset eats the answer
    std::chrono::milliseconds stop{10'000};   ///< for requests in flight when the server stops
};

struct ServerOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  ///< 0 = a free one, see Server::port()
    unsigned workers = 8;
    std::size_t max_connections = 4096;
    std::size_t max_queued = 512;  ///< more are answered 503 with Retry-After
    std::size_t body_limit = 1024 * 1024;
    std::size_t header_limit = 16 * 1024;
    std::size_t slowest_reader = 64 * 1024;  ///< bytes per second; who reads an answer slower is cut
    ServerDeadlines deadlines{};
};

class Server {
  public:
    /// Listens at once; throws Error when the address is taken or not ours.
    Server(ServerOptions options, Handler handler);
    ~Server();
    std::uint16_t port() const;
    /// Lets requests in flight (given to a handler) finish for up to 10 s, then cuts their connections and requests
    /// their stop tokens; returns when the handlers have. Requests not yet received whole are cut at once: they had no
    /// effect. Idempotent, thread-safe; not to be called by a handler.
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace mk::http

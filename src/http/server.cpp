#include "http/server.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <thread>
#include <unordered_set>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>

#include "base/log.hpp"
#include "http/request_reader.hpp"
#include "http/wire.hpp"
#include "http/worker_pool.hpp"

namespace mk::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using SystemCode = boost::system::error_code;
using std::chrono::milliseconds;

constexpr std::size_t read_piece = 8 * 1024;
// Out of descriptors, accept() fails at once and for ever: without a pause the I/O thread would spin.
constexpr milliseconds accept_pause{50};
constexpr std::string_view continue_answer = "HTTP/1.1 100 Continue\r\n\r\n";

void close_on_exec(int descriptor) {
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

Error listen_error(const ServerOptions& options, const SystemCode& code) {
    const auto where = options.address + ":" + std::to_string(options.port);
    auto kind = ErrorCode::unavailable;
    if (code == asio::error::address_in_use) {
        kind = ErrorCode::conflict;
    } else if (code == asio::error::access_denied) {
        kind = ErrorCode::forbidden;
    } else if (code == boost::system::errc::address_not_available || code == asio::error::invalid_argument) {
        kind = ErrorCode::invalid;
    }
    return Error(kind, "cannot listen on " + where + ": " + code.message(),
                 {.remedy = "Choose another address or port, or stop the program that uses it.", .retry_safe = true})
        .with_native(std::to_string(code.value()));
}

}  // namespace

/// Everything but the worker pool and stop() runs on the I/O thread, so nothing here needs a lock.
struct Server::Impl {
    class Session;
    using SessionPtr = std::shared_ptr<Session>;

    Impl(ServerOptions options_in, Handler handler_in);

    void listen();
    void accept();
    void on_accept(const SystemCode& code, tcp::socket socket);
    /// False when the queue is full.
    bool submit(const SessionPtr& session, ServerRequest request);
    void leave(const SessionPtr& session);
    void begin_stop();
    void cut();
    void run();

    const ServerOptions options;
    const Handler handler;
    std::uint16_t port = 0;

    // First in, last out: sockets and timers need the context until they are gone.
    asio::io_context io{1};
    // Without it run() would return as soon as every session waits for a worker.
    asio::executor_work_guard<asio::io_context::executor_type> guard{io.get_executor()};
    tcp::acceptor acceptor{io};
    asio::steady_timer accept_timer{io};
    asio::steady_timer stop_timer{io};
    std::unordered_set<SessionPtr> sessions;
    bool is_stopping = false;
    std::stop_source cut_requests;

    std::once_flag stopped;
    WorkerPool workers;
    std::jthread io_thread;
};

/// One connection:
///
///   header -> body -> handling -> writing -> idle -> header ...
///      \________\______________________\___> closed
///       \________\-> writing (refusal) -> lingering -> closed
class Server::Impl::Session : public std::enable_shared_from_this<Session> {
  public:
    Session(tcp::socket socket, Impl& server)
        : server_(server),
          socket_(std::move(socket)),
          deadline_(server.io),
          reader_(server.options.header_limit, server.options.body_limit) {}

    void start();
    /// The handler's answer.
    void answer(const ServerResponse& response);
    /// The server stops: a request that no handler has yet is dropped, one in flight is finished.
    void finish();
    void close();

  private:
    enum class Phase { header, body, handling, writing, idle, lingering, closed };

    void enter(Phase phase, milliseconds limit);
    void on_deadline();
    void read();
    void on_read(const SystemCode& code, std::size_t size);
    void consume();
    void on_header();
    void write_continue();
    void hand_over();
    void refuse(const Refusal& refusal);
    void write(const ServerResponse& response);
    void on_written(const SystemCode& code);
    void linger();

    Impl& server_;
    tcp::socket socket_;
    asio::steady_timer deadline_;
    Phase phase_ = Phase::header;
    bool is_reading_ = false;
    bool is_refused_ = false;
    bool is_head_ = false;
    bool keep_alive_ = true;
    std::string request_id_;
    RequestReader reader_;
    std::array<char, read_piece> piece_{};
    std::string input_;  ///< received, not yet parsed: the rest of this request, or the next one already
    std::string output_;
};

void Server::Impl::Session::start() {
    enter(Phase::header, server_.options.deadlines.header);
    read();
}

void Server::Impl::Session::enter(Phase phase, milliseconds limit) {
    phase_ = phase;
    deadline_.expires_after(limit);
    deadline_.async_wait([self = shared_from_this()](const SystemCode& code) {
        // A wait that had already ended when the next phase began reports success: the expiry tells them apart.
        if (!code && self->deadline_.expiry() <= asio::steady_timer::clock_type::now()) {
            self->on_deadline();
        }
    });
}

void Server::Impl::Session::on_deadline() {
    const bool has_begun = !input_.empty() || phase_ == Phase::body;
    if ((phase_ == Phase::header && has_begun) || phase_ == Phase::body) {
        refuse({408, Error(ErrorCode::timeout, "the request did not arrive in time", {.retry_safe = true})});
    } else if (phase_ != Phase::handling) {
        close();
    }
}

void Server::Impl::Session::read() {
    is_reading_ = true;
    socket_.async_read_some(
        asio::buffer(piece_),
        [self = shared_from_this()](const SystemCode& code, std::size_t size) { self->on_read(code, size); });
}

void Server::Impl::Session::on_read(const SystemCode& code, std::size_t size) {
    is_reading_ = false;
    switch (phase_) {
        case Phase::lingering:
            return code ? close() : read();
        case Phase::idle:
        case Phase::header:
        case Phase::body:
            break;
        default:
            return;  // a refusal is being written; what still arrives no longer matters
    }
    if (code) {
        return close();
    }
    input_.append(piece_.data(), size);
    if (phase_ == Phase::idle) {
        enter(Phase::header, server_.options.deadlines.header);
    }
    consume();
}

void Server::Impl::Session::consume() {
    for (;;) {
        switch (reader_.consume(input_)) {
            case RequestReader::Progress::needs_more:
                return read();
            case RequestReader::Progress::refused:
                return refuse(reader_.refusal());
            case RequestReader::Progress::complete:
                return hand_over();
            case RequestReader::Progress::header_complete:
                on_header();
                if (reader_.expects_continue() && input_.empty()) {
                    return write_continue();
                }
        }
    }
}

void Server::Impl::Session::on_header() {
    is_head_ = reader_.is_head();
    keep_alive_ = reader_.keeps_alive();
    enter(Phase::body, server_.options.deadlines.body);
}

void Server::Impl::Session::write_continue() {
    asio::async_write(socket_, asio::buffer(continue_answer),
                      [self = shared_from_this()](const SystemCode& code, std::size_t) {
                          if (self->phase_ == Phase::body) {
                              code ? self->close() : self->consume();
                          }
                      });
}

void Server::Impl::Session::hand_over() {
    auto request = reader_.take();
    request.stop = server_.cut_requests.get_token();
    request_id_ = request.request_id;
    phase_ = Phase::handling;
    deadline_.cancel();
    if (!server_.submit(shared_from_this(), std::move(request))) {
        auto busy =
            problem(Error(ErrorCode::unavailable, "too many requests are waiting",
                          {.consequence = "The request was not begun.", .remedy = "Try again.", .retry_safe = true}),
                    request_id_);
        busy.headers.emplace_back("Retry-After", "1");
        write(busy);
    }
}

void Server::Impl::Session::answer(const ServerResponse& response) {
    if (phase_ == Phase::handling) {  // otherwise the request was cut
        write(response);
    }
}

void Server::Impl::Session::refuse(const Refusal& refusal) {
    keep_alive_ = false;
    is_refused_ = true;
    request_id_ = request_id_from({});
    write(problem(refusal.error, request_id_, refusal.status));
}

void Server::Impl::Session::write(const ServerResponse& response) {
    keep_alive_ = keep_alive_ && !server_.is_stopping;
    output_ = to_wire(response, request_id_, {.is_head = is_head_, .keep_alive = keep_alive_});
    const auto allowance =
        std::chrono::seconds(output_.size() / std::max<std::size_t>(server_.options.slowest_reader, 1));
    enter(Phase::writing, server_.options.deadlines.write + allowance);
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](const SystemCode& code, std::size_t) { self->on_written(code); });
}

void Server::Impl::Session::on_written(const SystemCode& code) {
    if (phase_ != Phase::writing) {
        return;
    }
    output_ = {};
    if (code) {
        return close();
    }
    if (is_refused_) {
        return linger();
    }
    if (!keep_alive_ || server_.is_stopping) {
        SystemCode ignored;  // the peer may be gone already
        socket_.shutdown(tcp::socket::shutdown_both, ignored);
        return close();
    }
    reader_.reset();
    request_id_.clear();
    is_head_ = false;
    if (input_.empty()) {
        enter(Phase::idle, server_.options.deadlines.idle);
        return read();
    }
    enter(Phase::header, server_.options.deadlines.header);
    consume();
}

void Server::Impl::Session::linger() {
    SystemCode ignored;  // the peer may be gone already: then the next read tells
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    enter(Phase::lingering, server_.options.deadlines.linger);
    if (!is_reading_) {
        read();
    }
}

void Server::Impl::Session::finish() {
    if (phase_ != Phase::handling && phase_ != Phase::writing) {
        close();
    }
}

void Server::Impl::Session::close() {
    if (phase_ == Phase::closed) {
        return;
    }
    phase_ = Phase::closed;
    deadline_.cancel();
    SystemCode ignored;  // nothing can be done about a close that fails
    socket_.close(ignored);
    server_.leave(shared_from_this());
}

Server::Impl::Impl(ServerOptions options_in, Handler handler_in)
    : options(std::move(options_in)),
      handler(std::move(handler_in)),
      workers(std::max(options.workers, 1U), options.max_queued) {
    listen();
    accept();
    io_thread = std::jthread([this] { run(); });
}

void Server::Impl::listen() {
    SystemCode code;
    const auto address = asio::ip::make_address(options.address, code);
    if (code) {
        throw listen_error(options, code);
    }
    const tcp::endpoint endpoint(address, options.port);
    const auto check = [this](const SystemCode& result) {
        if (result) {
            throw listen_error(options, result);
        }
    };
    check(acceptor.open(endpoint.protocol(), code));
    close_on_exec(acceptor.native_handle());
    check(acceptor.set_option(tcp::acceptor::reuse_address(true), code));
    check(acceptor.bind(endpoint, code));
    check(acceptor.listen(asio::socket_base::max_listen_connections, code));
    port = acceptor.local_endpoint().port();
}

void Server::Impl::accept() {
    acceptor.async_accept([this](const SystemCode& code, tcp::socket socket) { on_accept(code, std::move(socket)); });
}

void Server::Impl::on_accept(const SystemCode& code, tcp::socket socket) {
    if (is_stopping) {
        return;
    }
    if (code) {
        log::warn("cannot accept a connection: {}", code.message());
        accept_timer.expires_after(accept_pause);
        accept_timer.async_wait([this](const SystemCode& cancelled) {
            if (!cancelled && !is_stopping) {
                accept();
            }
        });
        return;
    }
    close_on_exec(socket.native_handle());
    SystemCode ignored;  // only a matter of speed
    socket.set_option(tcp::no_delay(true), ignored);
    if (sessions.size() < options.max_connections) {
        const auto session = std::make_shared<Session>(std::move(socket), *this);
        sessions.insert(session);
        session->start();
    }
    accept();
}

bool Server::Impl::submit(const SessionPtr& session, ServerRequest request) {
    return workers.submit([this, session, request = std::move(request)] {
        ServerResponse response;
        try {
            response = handler(request);
        } catch (const std::exception& caught) {
            log::error("{} {} ended in an unexpected exception: {} request={}", request.method, request.path,
                       caught.what(), request.request_id);
            response = problem(Error(ErrorCode::internal, "the request failed unexpectedly"), request.request_id);
        }
        asio::post(io, [session, response = std::move(response)] { session->answer(response); });
    });
}

void Server::Impl::leave(const SessionPtr& session) {
    sessions.erase(session);
    if (is_stopping && sessions.empty()) {
        stop_timer.cancel();
        guard.reset();
    }
}

void Server::Impl::begin_stop() {
    is_stopping = true;
    SystemCode ignored;  // the listener goes away with the process at the latest
    acceptor.close(ignored);
    accept_timer.cancel();
    if (sessions.empty()) {
        guard.reset();
        return;
    }
    stop_timer.expires_after(options.deadlines.stop);
    stop_timer.async_wait([this](const SystemCode& cancelled) {
        if (!cancelled) {
            cut();
        }
    });
    for (const auto& session : std::vector<SessionPtr>(sessions.begin(), sessions.end())) {
        session->finish();
    }
}

void Server::Impl::cut() {
    log::warn("{} requests did not end in time and are cut", sessions.size());
    cut_requests.request_stop();
    for (const auto& session : std::vector<SessionPtr>(sessions.begin(), sessions.end())) {
        session->close();
    }
}

void Server::Impl::run() {
    for (;;) {
        try {
            io.run();
            return;
        } catch (const std::exception& caught) {
            log::error("a connection failed unexpectedly: {}", caught.what());
        }
    }
}

Server::Server(ServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}

Server::~Server() {
    stop();
}

std::uint16_t Server::port() const {
    return impl_->port;
}

void Server::stop() {
    std::call_once(impl_->stopped, [this] {
        asio::post(impl_->io, [this] { impl_->begin_stop(); });
        impl_->io_thread.join();
        impl_->workers.stop();
    });
}

}  // namespace mk::http

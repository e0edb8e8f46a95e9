#include "tunnel/reverse_client.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <list>
#include <mutex>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/listen_address.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/metrics.hpp"
#include "tunnel/reverse_connection.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds first_pause{500};
constexpr milliseconds longest_pause{30'000};
constexpr std::chrono::seconds between_figures{5};
/// Without a new demand for so long, the number of idle connections goes back.
constexpr std::chrono::minutes quiet_time{5};

/// Growing pauses between attempts; half to whole of each, so that many VMAs do not come back together.
class Pauses {
  public:
    milliseconds next() {
        std::uniform_int_distribution<milliseconds::rep> spread(full_.count() / 2, full_.count());
        full_ = std::min(full_ * 2, longest_pause);
        return milliseconds{spread(random_)};
    }
    void reset() { full_ = first_pause; }

  private:
    std::minstd_rand random_{std::random_device{}()};
    milliseconds full_ = first_pause;
};

enum class Phase { dialling, idle, used, over };

struct Connection {
    Phase phase = Phase::dialling;
    std::thread thread;
};

}  // namespace

struct ReverseClient::State {
    explicit State(ReverseClientOptions given)
        : options(std::move(given)),
          wanted_idle(options.idle),
          manager([this](const std::stop_token& stop) { run(stop); }) {}

    class Observer;
    void run(const std::stop_token& stop);
    void write_figures();
    bool may_add() const;
    void add(const std::stop_token& stop);
    void live(Connection& connection, const std::stop_token& stop);
    void note_end(Connection& connection, const Error* error);
    void reap(std::unique_lock<std::mutex>& lock);
    std::size_t count_of(Phase phase) const;

    const ReverseClientOptions options;
    Metrics figures{"client"};
    Metrics::Protocol& counted = figures.of(alpn::control);

    mutable std::mutex mutex;  // protects what follows
    std::condition_variable_any changed;
    std::list<Connection> connections;
    std::size_t wanted_idle;
    steady_clock::time_point last_growth{};
    Pauses pauses;
    steady_clock::time_point next_attempt{};
    std::string last_problem;  ///< empty while the gateway takes connections

    std::jthread manager;
};

/// What one connection does to the whole.
class ReverseClient::State::Observer : public ReverseObserver {
  public:
    Observer(State& state, Connection& connection) : state_(state), connection_(connection) {}

    void on_idle() override {
        const std::lock_guard lock(state_.mutex);
        connection_.phase = Phase::idle;
        state_.pauses.reset();
        ++state_.counted.connections;
        ++state_.counted.open;
        if (!std::exchange(state_.last_problem, "").empty()) {
            log::info("gateway_connected");
        }
        state_.changed.notify_all();
    }

    void on_used() override {
        const std::lock_guard lock(state_.mutex);
        connection_.phase = Phase::used;
        if (state_.count_of(Phase::idle) <= 1) {
            state_.wanted_idle = std::min(state_.wanted_idle * 2, state_.options.max_idle);
            state_.last_growth = steady_clock::now();
        }
        state_.changed.notify_all();
    }

    void on_round_trip(std::chrono::microseconds time) override { state_.figures.set_round_trip("gateway", time); }

    bool is_superfluous() override {
        const std::lock_guard lock(state_.mutex);
        return state_.count_of(Phase::idle) > state_.wanted_idle;
    }

  private:
    State& state_;
    Connection& connection_;
};

std::size_t ReverseClient::State::count_of(Phase phase) const {
    return static_cast<std::size_t>(std::count_if(connections.begin(), connections.end(),
                                                  [&](const Connection& entry) { return entry.phase == phase; }));
}

void ReverseClient::State::run(const std::stop_token& stop) {
    auto next_figures = steady_clock::now();
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
        reap(lock);
        if (last_growth + quiet_time < steady_clock::now()) {
            wanted_idle = options.idle;
        }
        while (may_add()) {
            add(stop);
        }
        if (steady_clock::now() >= next_figures) {
            next_figures = steady_clock::now() + between_figures;
            lock.unlock();
            write_figures();
            lock.lock();
        }
        const auto now = steady_clock::now();
        const auto wake = next_attempt > now ? std::min(next_attempt, next_figures) : next_figures;
        changed.wait_until(lock, stop, std::max(wake, now + milliseconds{1}),
                           [this] { return may_add() || count_of(Phase::over) > 0; });
    }
    lock.unlock();
    for (auto& connection : connections) {
        connection.thread.join();  // each has heard the stop request
    }
}

void ReverseClient::State::write_figures() {
    if (!options.metrics_folder.empty()) {
        figures.write_to(options.metrics_folder);
    }
}

bool ReverseClient::State::may_add() const {
    const auto dialling = count_of(Phase::dialling);
    const bool is_in_trouble = !last_problem.empty();
    return count_of(Phase::idle) + dialling < wanted_idle && connections.size() < options.max_connections &&
           steady_clock::now() >= next_attempt && (!is_in_trouble || dialling == 0);
}

void ReverseClient::State::add(const std::stop_token& stop) {
    auto& connection = connections.emplace_back();
    try {
        connection.thread = std::thread([this, &connection, stop] { live(connection, stop); });
    } catch (const std::system_error& error) {
        connections.pop_back();
        next_attempt = steady_clock::now() + longest_pause;
        log::warn("no_thread_for_a_connection reason=\"{}\"", error.what());
    }
}

void ReverseClient::State::live(Connection& connection, const std::stop_token& stop) {
    Observer observer(*this, connection);
    try {
        run_reverse_connection({.folder = options.folder, .vma_api = options.vma_api}, observer, counted, stop);
        note_end(connection, nullptr);
    } catch (const std::exception& error) {
        const auto problem = as_error(error);
        note_end(connection, stop.stop_requested() ? nullptr : &problem);
    }
}

void ReverseClient::State::note_end(Connection& connection, const Error* error) {
    const std::lock_guard lock(mutex);
    if (connection.phase == Phase::dialling) {
        ++counted.refused;
    } else {
        --counted.open;
    }
    // A used connection that was cut says nothing about the gateway: the next attempt will.
    if (error != nullptr && connection.phase != Phase::used) {
        counted.wire.cuts += connection.phase == Phase::idle ? 1 : 0;
        if (next_attempt <= steady_clock::now()) {  // several that fail together are one failure
            next_attempt = steady_clock::now() + pauses.next();
        }
        if (last_problem != error->cause()) {
            last_problem = error->cause();
            log::warn("gateway_not_reachable reason=\"{}\"", error->full_text());
        }
    }
    connection.phase = Phase::over;
    changed.notify_all();
}

void ReverseClient::State::reap(std::unique_lock<std::mutex>& lock) {
    std::list<Connection> over;
    for (auto entry = connections.begin(); entry != connections.end();) {
        const auto next = std::next(entry);
        if (entry->phase == Phase::over) {
            over.splice(over.end(), connections, entry);
        }
        entry = next;
    }
    lock.unlock();
    for (auto& connection : over) {
        connection.thread.join();
    }
    lock.lock();
}

ReverseClient::ReverseClient(ReverseClientOptions options) {
    if (!options.vma_api.starts_with('/')) {
        os::parse_listen_address(options.vma_api);
    }
    state_ = std::make_unique<State>(std::move(options));
}

ReverseClient::~ReverseClient() {
    stop();
}

ReverseClient::Count ReverseClient::count() const {
    const std::lock_guard lock(state_->mutex);
    return {.idle = state_->count_of(Phase::idle), .used = state_->count_of(Phase::used)};
}

std::string ReverseClient::metrics() const {
    return state_->figures.to_prometheus();
}

void ReverseClient::stop() {
    state_->manager.request_stop();
    if (state_->manager.joinable()) {
        state_->manager.join();
    }
}

}  // namespace mk::tunnel

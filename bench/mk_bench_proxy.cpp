// mk_bench_proxy LISTEN_PORT CONNECT_HOST CONNECT_PORT [DELAY_MS] [HOLDS_KIB] [CUT_EVERY_BYTES] [CUTS]: a stretch of a
// long line, for a kernel without netem. Listens at 127.0.0.1, carries each connection to the other address, every byte
// DELAY_MS late in both directions; HOLDS_KIB are under way at most. After each CUT_EVERY_BYTES that came in (all
// connections together) it resets all of them, at most CUTS times. Prints "ready", and at SIGTERM one line of JSON:
// bytes that came in from the client ("up") and back ("down"), whether or not a cut lost them; connections, cuts.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t largest_piece = 64 * 1024;
/// Small: what is under way belongs into the line, where it takes its time.
constexpr int socket_buffer = 128 * 1024;
struct Totals {
    std::atomic<std::uint64_t> up{0};
    std::atomic<std::uint64_t> down{0};
    std::atomic<unsigned> connections{0};
    std::atomic<unsigned> cuts{0};
};
Totals totals;

struct Settings {
    std::uint16_t listen_port = 0;
    sockaddr_in target{};
    std::chrono::microseconds delay{0};
    /// Bytes that the line holds in each direction. More than the rate times the delay hides the sender's waiting, less
    /// slows a fast line down.
    std::size_t holds = 4 * 1024 * 1024;
    std::uint64_t cut_every = 0;
    unsigned cuts = 0;
};

/// Both sockets of one connection; closed with the last direction that uses them.
struct Pair {
    int client;
    int target;
    Pair(int a, int b) : client(a), target(b) {}
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    ~Pair() {
        ::close(client);
        ::close(target);
    }
    void cut() const {
        const linger at_once{1, 0};  // close sends a reset
        for (const int socket : {client, target}) {
            ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            ::shutdown(socket, SHUT_RDWR);
        }
    }
};

std::mutex pairs_mutex;
std::list<std::weak_ptr<Pair>> pairs;

void cut_all() {
    const std::lock_guard lock(pairs_mutex);
    for (const auto& entry : pairs) {
        if (const auto pair = entry.lock()) {
            pair->cut();
        }
    }
    pairs.clear();
}

void count_and_cut(const Settings& settings, std::atomic<std::uint64_t>& direction, std::size_t bytes) {
    direction += bytes;
    if (settings.cut_every == 0) {
        return;
    }
    const auto due = (totals.up + totals.down) / settings.cut_every;
    auto done = totals.cuts.load();
    if (done < settings.cuts && due > done && totals.cuts.compare_exchange_strong(done, done + 1)) {
        cut_all();
    }
}

/// One direction of one connection: a thread takes bytes in, another one lets them out when their time has come.
class Direction {
  public:
    Direction(std::shared_ptr<Pair> pair, int from, int to, const Settings& settings,
              std::atomic<std::uint64_t>& counter)
        : pair_(std::move(pair)), from_(from), to_(to), settings_(settings), counter_(counter) {}

    void take_in() {
        for (;;) {
            std::vector<char> data(largest_piece);
            const ssize_t got = ::recv(from_, data.data(), data.size(), 0);
            data.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return held_ < settings_.holds || is_broken_; });
            held_ += data.size();
            queue_.push_back({Clock::now() + settings_.delay, std::move(data)});
            changed_.notify_all();
            if (got <= 0 || is_broken_) {
                return;
            }
            lock.unlock();
            count_and_cut(settings_, counter_, static_cast<std::size_t>(got));
        }
    }

    void let_out() {
        for (;;) {
            Piece piece;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return !queue_.empty(); });
                piece = std::move(queue_.front());
                queue_.pop_front();
            }
            std::this_thread::sleep_until(piece.due);
            if (piece.data.empty()) {
                ::shutdown(to_, SHUT_WR);
                return;
            }
            const bool is_sent = send_all(piece.data);
            const std::lock_guard lock(mutex_);
            held_ -= piece.data.size();
            is_broken_ = !is_sent;
            changed_.notify_all();
            if (is_broken_) {
                pair_->cut();
                return;
            }
        }
    }

  private:
    struct Piece {
        Clock::time_point due;
        std::vector<char> data;
    };

    bool send_all(const std::vector<char>& data) {
        for (std::size_t at = 0; at < data.size();) {
            const ssize_t sent = ::send(to_, data.data() + at, data.size() - at, MSG_NOSIGNAL);
            if (sent <= 0) {
                return false;
            }
            at += static_cast<std::size_t>(sent);
        }
        return true;
    }

    std::shared_ptr<Pair> pair_;
    int from_;
    int to_;
    const Settings& settings_;
    std::atomic<std::uint64_t>& counter_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Piece> queue_;
    std::size_t held_ = 0;
    bool is_broken_ = false;
};

void tune(int socket) {
    const int yes = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &socket_buffer, sizeof socket_buffer);
}

void start(const std::shared_ptr<Pair>& pair, bool is_up, const Settings& settings) {
    const int from = is_up ? pair->client : pair->target;
    const int to = is_up ? pair->target : pair->client;
    auto direction = std::make_shared<Direction>(pair, from, to, settings, is_up ? totals.up : totals.down);
    std::thread([direction] { direction->take_in(); }).detach();
    std::thread([direction] { direction->let_out(); }).detach();
}

void accept_loop(int listener, const Settings& settings) {
    for (;;) {
        const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        const int target = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto pair = std::make_shared<Pair>(client, target);
        if (client < 0 ||
            ::connect(target, reinterpret_cast<const sockaddr*>(&settings.target), sizeof settings.target) != 0) {
            continue;
        }
        tune(client);
        tune(target);
        ++totals.connections;
        {
            const std::lock_guard lock(pairs_mutex);
            pairs.remove_if([](const auto& entry) { return entry.expired(); });
            pairs.push_back(pair);
        }
        start(pair, true, settings);
        start(pair, false, settings);
    }
}

int listen_at(const Settings& settings) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    ::setsockopt(listener, SOL_SOCKET, SO_RCVBUFFORCE, &socket_buffer, sizeof socket_buffer);  // inherited
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(settings.listen_port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener, 64) != 0) {
        std::perror("listen");
        std::exit(1);
    }
    return listener;
}

Settings settings_of(int argc, char** argv) {
    const auto number = [&](int index) { return argc > index ? std::strtoull(argv[index], nullptr, 10) : 0ULL; };
    Settings settings;
    settings.listen_port = static_cast<std::uint16_t>(number(1));
    settings.target.sin_family = AF_INET;
    settings.target.sin_port = htons(static_cast<std::uint16_t>(number(3)));
    settings.delay = std::chrono::milliseconds(number(4));
    settings.holds = argc > 5 ? number(5) * 1024 : settings.holds;
    settings.cut_every = number(6);
    settings.cuts = static_cast<unsigned>(number(7));
    if (argc < 4 || ::inet_pton(AF_INET, argv[2], &settings.target.sin_addr) != 1) {
        std::fputs(
            "usage: mk_bench_proxy LISTEN_PORT CONNECT_HOST CONNECT_PORT [DELAY_MS] [HOLDS_KIB] [CUT_EVERY] [CUTS]\n",
            stderr);
        std::exit(2);
    }
    return settings;
}

}  // namespace

int main(int argc, char** argv) {
    const Settings settings = settings_of(argc, argv);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    const int listener = listen_at(settings);
    std::thread([&] { accept_loop(listener, settings); }).detach();
    std::puts("ready");
    std::fflush(stdout);
    int received = 0;
    sigwait(&ends, &received);
    std::printf("{\"up\":%llu,\"down\":%llu,\"connections\":%u,\"cuts\":%u}\n",
                static_cast<unsigned long long>(totals.up.load()), static_cast<unsigned long long>(totals.down.load()),
                totals.connections.load(), totals.cuts.load());
    std::fflush(stdout);
    std::_Exit(0);  // threads still wait on sockets; there is nothing to save
}

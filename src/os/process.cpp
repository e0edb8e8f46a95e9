#include "os/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.hpp"
#include "os/file.hpp"
#include "os/line_splitter.hpp"
#include "os/process_input_queue.hpp"
#include "os/spawn.hpp"
#include "os/stop_event.hpp"

namespace mk::os {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kept_output = 64 * KiB;
constexpr std::chrono::seconds default_grace{5};
/// A pipe holds 64 KiB; what a grandchild adds after the child's end is not waited for.
constexpr int last_reads = 4;

struct Stream {
    Descriptor fd;
    LineSplitter lines;
};

}  // namespace

struct Child::Impl {
    Impl(Spawned spawned, std::shared_ptr<InputQueue> input)
        : pid(spawned.pid), pidfd(std::move(spawned.pidfd)), in(std::move(input)) {
        out.fd = std::move(spawned.out);
        err.fd = std::move(spawned.err);
    }
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void terminate(milliseconds grace);
    void wait_for_event(int stop_fd, std::optional<steady_clock::time_point> deadline, const LineCallback& on_stdout,
                        const LineCallback& on_stderr);
    bool read_once(Stream& stream, const LineCallback& on_line);
    void finish_if_ended(const LineCallback& on_stdout, const LineCallback& on_stderr);
    void run_to_end();
    void reap();

    pid_t pid;
    Descriptor pidfd;
    std::shared_ptr<InputQueue> in;
    Stream out;
    Stream err;
    std::string tail;
    bool stopping = false;
    bool timed_out = false;
    std::optional<steady_clock::time_point> kill_at;
    std::optional<Exit> exit;
};

Child::Impl::~Impl() {
    if (exit) {
        return;
    }
    try {
        terminate(default_grace);
        run_to_end();
    } catch (const std::exception& problem) {
        log::error("process={} was killed because it could not be stopped: {}", pid, problem.what());
        ::kill(-pid, SIGKILL);
        reap();
    }
}

void Child::Impl::terminate(milliseconds grace) {
    if (exit || stopping) {
        return;
    }
    stopping = true;
    kill_at = steady_clock::now() + grace;
    ::kill(-pid, SIGTERM);
}

/// Sleeps until there is output, the end, room for input, a stop request or the deadline; handles output. The caller
/// looks at the rest.
void Child::Impl::wait_for_event(int stop_fd, std::optional<steady_clock::time_point> deadline,
                                 const LineCallback& on_stdout, const LineCallback& on_stderr) {
    int timeout = -1;
    if (deadline) {
        const auto left = std::chrono::ceil<milliseconds>(*deadline - steady_clock::now()).count();
        timeout = static_cast<int>(std::clamp<milliseconds::rep>(left, 0, 3'600'000));
    }
    // poll() ignores negative descriptors: closed streams, no stop request wanted, nothing to write.
    std::array<pollfd, 6> events{{{pidfd.get(), POLLIN, 0},
                                  {stop_fd, POLLIN, 0},
                                  {out.fd.get(), POLLIN, 0},
                                  {err.fd.get(), POLLIN, 0},
                                  {in->wake_descriptor(), POLLIN, 0},
                                  {in->descriptor_to_poll(), POLLOUT, 0}}};
    if (::poll(events.data(), events.size(), timeout) < 0) {
        if (errno == EINTR) {
            return;
        }
        throw system_error("wait for a program", errno);
    }
    if (events[4].revents != 0) {
        in->acknowledge();
    }
    if (events[5].revents != 0) {
        in->pump();
    }
    if (events[2].revents != 0) {
        read_once(out, on_stdout);
    }
    if (events[3].revents != 0) {
        read_once(err, on_stderr);
    }
    if (events[0].revents != 0) {
        finish_if_ended(on_stdout, on_stderr);
    }
}

/// True when there may be more at once.
bool Child::Impl::read_once(Stream& stream, const LineCallback& on_line) {
    if (!stream.fd) {
        return false;
    }
    std::array<char, 16 * KiB> piece{};
    const ssize_t got = ::read(stream.fd.get(), piece.data(), piece.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return errno == EINTR;
    }
    if (got <= 0) {
        stream.fd.close();
        stream.lines.finish(on_line);
        return false;
    }
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(got));
    tail += bytes;
    if (tail.size() > 2 * kept_output) {
        tail.erase(0, tail.size() - kept_output);
    }
    stream.lines.add(bytes, on_line);
    return true;
}

void Child::Impl::finish_if_ended(const LineCallback& on_stdout, const LineCallback& on_stderr) {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == 0) {
        return;
    }
    for (const auto& [stream, on_line] : {std::pair(&out, &on_stdout), std::pair(&err, &on_stderr)}) {
        for (int reads = 0; reads < last_reads * 4 && read_once(*stream, *on_line); ++reads) {
        }
        if (stream->fd) {
            stream->fd.close();
            stream->lines.finish(*on_line);
        }
    }
    if (stopping) {
        ::kill(-pid, SIGKILL);  // what it left behind; the group cannot be another's while its leader is not reaped
    }
    reap();
}

void Child::Impl::reap() {
    in->drop();
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
    Exit result;
    if (info.si_code == CLD_EXITED) {
        result.code = info.si_status;
    } else {
        result.signal = info.si_status;
    }
    result.stopped = stopping;
    result.timed_out = timed_out;
    if (tail.size() > kept_output) {
        tail.erase(0, tail.size() - kept_output);
    }
    result.output = std::move(tail);
    exit = std::move(result);
}

void Child::Impl::run_to_end() {
    while (!exit) {
        if (kill_at && steady_clock::now() >= *kill_at) {
            kill_at.reset();
            ::kill(-pid, SIGKILL);
        }
        wait_for_event(-1, kill_at, {}, {});
    }
}

Child::Child(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Child::Child(Child&&) noexcept = default;
Child& Child::operator=(Child&&) noexcept = default;
Child::~Child() = default;

Child Child::start(const Command& command) {
    auto input = std::make_shared<InputQueue>();  // before the child: nothing that can fail may come after it
    Spawned spawned = spawn(command);
    if (command.keeps_input_open) {
        input->connect(std::move(spawned.in), command.input);
    }
    return Child(std::make_unique<Impl>(std::move(spawned), std::move(input)));
}

ProcessInput Child::input() const {
    return ProcessInput(impl_->in);
}

int Child::pid() const {
    return impl_->pid;
}

Exit Child::wait(milliseconds limit, const std::stop_token& stop, const LineCallback& on_stdout,
                 const LineCallback& on_stderr) {
    const StopEvent stop_event(stop);
    const auto limit_at = steady_clock::now() + std::min<milliseconds>(limit, std::chrono::hours{24 * 365});
    while (!impl_->exit) {
        const auto now = steady_clock::now();
        if (!impl_->stopping && (stop.stop_requested() || now >= limit_at)) {
            impl_->timed_out = !stop.stop_requested();
            impl_->terminate(default_grace);
        }
        if (impl_->kill_at && now >= *impl_->kill_at) {
            impl_->kill_at.reset();
            ::kill(-impl_->pid, SIGKILL);
        }
        const auto deadline = impl_->stopping ? impl_->kill_at : std::optional(limit_at);
        impl_->wait_for_event(impl_->stopping ? -1 : stop_event.descriptor(), deadline, on_stdout, on_stderr);
    }
    return *impl_->exit;
}

std::optional<Exit> Child::poll() {
    if (!impl_->exit) {
        impl_->wait_for_event(-1, steady_clock::now(), {}, {});
    }
    return impl_->exit;
}

void Child::stop(milliseconds grace) {
    impl_->terminate(grace);
    impl_->run_to_end();
}

Exit run(const Command& command, milliseconds limit, const std::stop_token& stop, const LineCallback& on_stdout,
         const LineCallback& on_stderr) {
    return Child::start(command).wait(limit, stop, on_stdout, on_stderr);
}

bool is_installed(const std::string& program) {
    const auto executable = [](const std::string& path) {
        struct stat info{};
        return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
    };
    if (program.find('/') != std::string::npos) {
        return executable(program);
    }
    const char* const variable = std::getenv("PATH");
    std::string_view path = variable == nullptr ? "/usr/bin:/bin" : variable;
    while (!path.empty()) {
        const auto colon = path.find(':');
        const std::string folder(path.substr(0, colon));
        path = colon == std::string_view::npos ? std::string_view{} : path.substr(colon + 1);
        if (executable((folder.empty() ? "." : folder) + "/" + program)) {
            return true;
        }
    }
    return false;
}

}  // namespace mk::os

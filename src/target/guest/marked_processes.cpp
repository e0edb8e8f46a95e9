#include "target/guest/marked_processes.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <sstream>
#include <system_error>

#include <poll.h>
#include <unistd.h>

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 declares its functions without extern "C"
}

#include "base/log.hpp"
#include "os/file.hpp"

namespace mk::guest {

namespace {

namespace fs = std::filesystem;

/// A process that was killed is gone at once, unless it waits for a disk that does not answer.
constexpr std::chrono::seconds death_limit{20};

/// Empty when it cannot be read: the process has ended, or is another user's.
std::string read_proc(pid_t pid, std::string_view file) {
    try {
        return os::read_file("/proc/" + std::to_string(pid) + "/" + std::string(file), 4 * MiB);
    } catch (const Error&) {
        return {};
    }
}

std::vector<pid_t> all_processes() {
    std::vector<pid_t> pids;
    std::error_code problem;
    for (fs::directory_iterator entry("/proc", problem), end; !problem && entry != end; entry.increment(problem)) {
        if (const auto pid = pid_from(entry->path().filename().string())) {
            pids.push_back(*pid);
        }
    }
    return pids;
}

bool carries(pid_t pid, const std::string& mark) {
    const auto environment = read_proc(pid, "environ");
    for (std::size_t at = 0; at < environment.size();) {
        const auto end = std::min(environment.find('\0', at), environment.size());
        if (environment.compare(at, end - at, mark) == 0) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

/// Kills exactly the process that carries the mark, never one that got its number meanwhile. False when it is still
/// there at the deadline.
bool end_process(pid_t pid, const std::string& mark, std::chrono::steady_clock::time_point deadline) {
    const os::Descriptor handle(::pidfd_open(pid, 0));
    if (!handle || !carries(pid, mark)) {
        return true;
    }
    ::pidfd_send_signal(handle.get(), SIGKILL, nullptr, 0);
    pollfd event{handle.get(), POLLIN, 0};
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        const int ready = ::poll(&event, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (ready > 0) {
            return true;
        }
        if (ready == 0 || errno != EINTR) {
            return false;
        }
    }
}

bool is_young(pid_t pid) {
    constexpr std::int64_t young_s = 10;
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    const auto start = start_time_of(pid);
    return start && now.tv_sec - std::stoll(*start) / ::sysconf(_SC_CLK_TCK) <= young_s;
}

/// A program that is just being started has no environment to read for a moment; some never have one, but get old.
bool may_be_starting(pid_t pid) {
    const auto memory = read_proc(pid, "statm");  // kernel threads and the dead have none
    return !memory.empty() && !memory.starts_with("0 ") && read_proc(pid, "environ").empty() && is_young(pid);
}

/// Waits until every program that is being started now can be looked at.
void await_starting() {
    constexpr std::chrono::seconds limit{5};  // it only waits for a processor
    constexpr int pause_ms = 10;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    auto pids = all_processes();
    std::erase_if(pids, [](pid_t pid) { return !may_be_starting(pid); });
    while (!pids.empty() && std::chrono::steady_clock::now() < deadline) {
        ::poll(nullptr, 0, pause_ms);
        std::erase_if(pids, [](pid_t pid) { return !may_be_starting(pid); });
    }
}

}  // namespace

std::optional<std::string> start_time_of(pid_t pid) {
    const auto text = read_proc(pid, "stat");
    const auto name_end = text.rfind(')');  // the name may contain anything
    if (name_end == std::string::npos) {
        return std::nullopt;
    }
    std::istringstream fields(text.substr(name_end + 1));
    std::string field;
    constexpr int fields_after_name = 20;  // the start time is field 22 of all
    for (int i = 0; i < fields_after_name; ++i) {
        if (!(fields >> field)) {
            return std::nullopt;
        }
        if (i == 0 && (field == "Z" || field == "X")) {
            return std::nullopt;
        }
    }
    return field;
}

std::optional<pid_t> pid_from(std::string_view text) {
    pid_t pid = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (problem != std::errc{} || end != text.data() + text.size() || pid <= 0) {
        return std::nullopt;
    }
    return pid;
}

std::string command_line_of(pid_t pid) {
    return read_proc(pid, "cmdline");
}

std::vector<pid_t> marked_processes(const Mark& mark) {
    const auto text = mark.first + "=" + mark.second;
    auto pids = all_processes();
    std::erase_if(pids, [&](pid_t pid) { return pid == ::getpid() || !carries(pid, text); });
    return pids;
}

std::size_t end_marked_processes(const Mark& mark) {
    const auto text = mark.first + "=" + mark.second;
    const auto deadline = std::chrono::steady_clock::now() + death_limit;
    std::size_t ended = 0;
    while (true) {  // a process may have started another one while we looked
        auto pids = marked_processes(mark);
        if (pids.empty()) {
            await_starting();
            pids = marked_processes(mark);
        }
        if (pids.empty()) {
            return ended;
        }
        for (const auto pid : pids) {
            if (!end_process(pid, text, deadline)) {
                log::error("process={} of the guest tools does not end; it may still write to a volume", pid);
                return ended;
            }
            ++ended;
        }
    }
}

}  // namespace mk::guest

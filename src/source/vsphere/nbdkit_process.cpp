#include "source/vsphere/nbdkit_process.hpp"

#include <cstdlib>
#include <filesystem>

#include "base/log.hpp"
#include "os/file.hpp"
#include "os/process.hpp"

namespace mk::vsphere {
namespace {

constexpr std::size_t kept_lines = 6;
constexpr std::chrono::seconds start_limit{30};
constexpr std::chrono::milliseconds ready_poll{20};
// os::Child::wait wants a limit; a reader lives as long as a first copy.
constexpr std::chrono::hours longest_life{24 * 30};

/// A proxy of the environment is for the world outside; loopback never goes through it (as in http::Client).
std::string no_proxy_list() {
    const char* given = std::getenv("no_proxy");
    const std::string own = "localhost,127.0.0.1,::1";
    return given == nullptr || *given == '\0' ? own : std::string(given) == "*" ? "*" : own + "," + given;
}

}  // namespace

NbdkitProcess::NbdkitProcess(std::string name, std::vector<std::string> command, ReaderFiles files,
                             const std::stop_token& stop)
    : name_(std::move(name)), files_(std::move(files)) {
    runner_ = std::jthread([this, command = std::move(command)](const std::stop_token& runner_stop) mutable {
        run(std::move(command), runner_stop);
    });
    wait_ready(stop);
}

NbdkitProcess::~NbdkitProcess() {
    runner_ = {};
    for (const auto& file : {files_.socket, files_.pid_file}) {
        std::error_code ignored;  // nbdkit removes its own files when it ends in order
        std::filesystem::remove(file, ignored);
    }
}

std::string NbdkitProcess::uri() const {
    return "nbd+unix:///?socket=" + files_.socket;
}

std::string NbdkitProcess::last_words() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& line : words_) {
        text += (text.empty() ? "" : "; ") + line;
    }
    return text;
}

void NbdkitProcess::run(std::vector<std::string> command, const std::stop_token& stop) {
    const auto keep = [this](const std::string& line) {
        log::debug("reader={} {}", name_, line);
        const std::lock_guard lock(mutex_);
        words_.push_back(line);
        if (words_.size() > kept_lines) {
            words_.pop_front();
        }
    };
    try {
        os::Command description;
        description.argv = std::move(command);
        description.environment = {{"no_proxy", no_proxy_list()}, {"NO_PROXY", no_proxy_list()}};
        auto child = os::Child::start(description);
        const auto exit = child.wait(longest_life, stop, keep, keep);
        if (!exit.stopped) {
            keep("nbdkit ended with status " + std::to_string(exit.code));
        }
    } catch (const std::exception& problem) {
        keep(problem.what());
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    ended_changed_.notify_all();
}

void NbdkitProcess::wait_ready(const std::stop_token& stop) {
    const auto deadline = std::chrono::steady_clock::now() + start_limit;
    std::unique_lock lock(mutex_);
    // The pid file appears once the socket accepts connections; there is nothing better to wait on.
    while (!std::filesystem::exists(files_.pid_file)) {
        ended_changed_.wait_for(lock, stop, ready_poll, [this] { return ended_; });
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, name_ + ": starting the reader was stopped");
        }
        const bool is_late = std::chrono::steady_clock::now() > deadline;
        if (ended_ || is_late) {
            lock.unlock();
            throw Error(
                is_late ? ErrorCode::timeout : ErrorCode::unavailable,
                name_ + ": the reader does not start: " + last_words(),
                {.remedy =
                     "Check that the package nbdkit is installed with its plugin curl, or vddk where that is used.",
                 .retry_safe = true});
        }
    }
}

}  // namespace mk::vsphere

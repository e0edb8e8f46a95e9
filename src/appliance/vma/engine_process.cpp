#include "appliance/vma/engine_process.hpp"

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.hpp"
#include "os/file.hpp"
#include "os/process.hpp"

namespace mk::vma {

namespace {

/// A copy may take weeks; os::Child wants a limit.
constexpr std::chrono::hours longest_job{24 * 90};

/// Passes a stop request on to the engine as SIGTERM, and to os::Child, which kills, only after the limit. Works on a
/// pidfd: the number of a process that ended may belong to another one by now.
class GentleStop {
  public:
    GentleStop(int pid, std::chrono::milliseconds limit, const std::stop_token& stop)
        : process_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
          thread_([this, limit, stop](const std::stop_token& over) { watch(limit, stop, over); }) {
        if (!process_) {
            log::warn("event=pidfd_failed pid={}: a stop will kill the engine", pid);
        }
    }
    std::stop_token too_late() const { return too_late_.get_token(); }

  private:
    void watch(std::chrono::milliseconds limit, const std::stop_token& stop, const std::stop_token& over) {
        const std::stop_callback wake(stop, [this] {
            const std::lock_guard lock(mutex_);  // else the notice may fall between the test and the sleep
            changed_.notify_all();
        });
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, over, [&] { return stop.stop_requested(); })) {
            return;
        }
        ::syscall(SYS_pidfd_send_signal, process_.get(), SIGTERM, nullptr, 0);
        changed_.wait_for(lock, over, limit, [] { return false; });
        if (!over.stop_requested()) {
            too_late_.request_stop();
        }
    }

    os::Descriptor process_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::stop_source too_late_;
    std::jthread thread_;  // last: it uses the others
};

/// The engine's words for later. A full disk must not end a copy, nor a talkative engine fill the disk: then the rest
/// is dropped, and said once.
class EngineLog {
  public:
    EngineLog(const std::string& path, Bytes limit) : limit_(limit) {
        try {
            file_ = os::open_file(path, O_WRONLY | O_CREAT | O_APPEND);
        } catch (const Error& error) {
            log::warn("event=engine_log_failed cause=\"{}\"", error.cause());
        }
    }

    void append(const std::string& line) {
        if (!file_) {
            return;
        }
        written_ += line.size() + 1;
        const bool is_full = written_ > limit_;
        const std::string text = (is_full ? "the rest of this log is not kept" : line) + "\n";
        if (::write(file_.get(), text.data(), text.size()) < 0) {
            log::warn("event=engine_log_failed errno={}: the rest is not kept", errno);
            file_.close();
        } else if (is_full) {
            file_.close();
        }
    }

  private:
    const Bytes limit_;
    os::Descriptor file_;
    Bytes written_ = 0;
};

/// A later attempt has a log of its own; the one before is kept, for the reason why there is a later one.
std::string prepare_log(const EngineProcessOptions& options, const EngineTask& task) {
    const std::string path = options.log_folder + "/" + task.job.value + ".log";
    if (task.attempt > 1) {
        std::error_code problem;  // the first attempt may have left none
        std::filesystem::rename(path, path + ".1", problem);
    }
    return path;
}

std::vector<std::string> command_of(const EngineProcessOptions& options, const EngineTask& task) {
    std::vector<std::string> argv{options.program, "--parent", std::to_string(::getpid()), "--appliance-id",
                                  options.appliance_id};
    if (!options.vddk_library_folder.empty()) {
        argv.insert(argv.end(), {"--vddk-library-folder", options.vddk_library_folder});
    }
    if (!options.tunnel_folder.empty()) {
        argv.insert(argv.end(), {"--tunnel-folder", options.tunnel_folder});
    }
    if (!task.checkpoint_file.empty()) {
        argv.insert(argv.end(), {"--checkpoint", task.checkpoint_file});
    }
    return argv;
}

}  // namespace

EngineExit EngineProcess::run(const EngineTask& task, const EngineCallbacks& callbacks, const std::stop_token& stop) {
    EngineLog log_file(prepare_log(options_, task), options_.longest_log);
    os::Child child =
        os::Child::start({.argv = command_of(options_, task), .input = task.order + "\n", .keeps_input_open = true});
    callbacks.on_start([input = child.input()](const std::string& line) mutable { return input.write_line(line); });
    const GentleStop gentle(child.pid(), options_.stop_limit, stop);
    std::string last_line;
    const os::Exit exit = child.wait(longest_job, gentle.too_late(), callbacks.on_event, [&](const std::string& line) {
        last_line = line;
        log_file.append(line);
    });
    return {.code = exit.code, .signal = exit.signal, .last_output = last_line};
}

}  // namespace mk::vma

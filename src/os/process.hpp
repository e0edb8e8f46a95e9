#pragma once
// Child processes: argv vectors, never a shell; own process group; all output read line by line; always a way to stop.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "os/process_input.hpp"

namespace mk::os {

struct Command {
    std::vector<std::string> argv{};  ///< argv[0] is looked up in PATH unless it has a slash
    std::vector<std::pair<std::string, std::string>> environment{};  ///< added to ours
    std::string input{};                                             ///< what it reads from stdin; empty = /dev/null
    std::string folder{};                                            ///< working directory; empty = ours
    bool keeps_input_open = false;  ///< after `input` it reads what is written to Child::input()
};

struct Exit {
    int code = -1;  ///< exit status, or -1 when a signal ended it
    int signal = 0;
    bool stopped = false;  ///< we stopped it (stop token or time limit)
    bool timed_out = false;
    std::string output;  ///< the last 64 KiB of stdout and stderr, for error messages

    bool ok() const { return code == 0 && !stopped; }
};

using LineCallback = std::function<void(const std::string& line)>;

/// A running child. Destruction stops it (SIGTERM to the group, SIGKILL after 5 s) and reaps it. One owner, one thread.
class Child {
  public:
    /// stdout and stderr lines go to the callbacks from `wait()` only. Throws Error when it cannot be started.
    static Child start(const Command& command);
    Child(Child&&) noexcept;
    Child& operator=(Child&&) noexcept;
    ~Child();

    int pid() const;
    /// Its stdin, while `keeps_input_open`; otherwise every line is dropped.
    ProcessInput input() const;
    /// Reads the output until the child ends, the limit passes or stop is requested (then it is stopped first).
    Exit wait(std::chrono::milliseconds limit, const std::stop_token& stop, const LineCallback& on_stdout = {},
              const LineCallback& on_stderr = {});
    /// Nothing while it runs. Drops output.
    std::optional<Exit> poll();
    void stop(std::chrono::milliseconds grace = std::chrono::seconds{5});

  private:
    struct Impl;
    explicit Child(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// start() and wait() in one. Throws only when it cannot be started.
Exit run(const Command& command, std::chrono::milliseconds limit, const std::stop_token& stop = {},
         const LineCallback& on_stdout = {}, const LineCallback& on_stderr = {});

/// True when an executable of that name is in PATH.
bool is_installed(const std::string& program);

}  // namespace mk::os

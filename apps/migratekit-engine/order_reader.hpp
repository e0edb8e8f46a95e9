#pragma once
// What vma-api says on stdin: the order as the first line, then commands as long as the engine runs
// (contracts/engine_api.hpp). The end of stdin means nothing.

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "contracts/engine_api.hpp"

namespace mk {

/// One line from `fd` at a time. Not thread-safe.
class LineReader {
  public:
    LineReader(int fd, std::size_t longest_line) : fd_(fd), longest_line_(longest_line) {}
    /// The next line without newline; a last one may have none. Nothing at the end, after a failure, or when stopped.
    /// Throws Error{invalid} for a line that is too long.
    std::optional<std::string> next(const std::stop_token& stop);

  private:
    bool fill(const std::stop_token& stop);

    int fd_;
    std::size_t longest_line_;
    std::string text_;
};

/// Throws Error{invalid} when there is none.
contracts::PassRequest read_order(LineReader& lines, const std::stop_token& stop);

/// Obeys commands on a thread of its own, until it goes out of scope. A line that is no command is logged.
class CommandListener {
  public:
    /// `lines` must outlive it.
    CommandListener(LineReader& lines, std::function<void(const contracts::EngineCommand&)> on_command);

  private:
    std::jthread thread_;
};

}  // namespace mk

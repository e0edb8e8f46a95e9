#pragma once
// What we are talking to: a terminal or a pipe, how wide, in colour or not. Read once at start.

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

namespace mk::cli {

/// Reads an environment variable; tests bring their own.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> process_environment(const char* name);

struct Terminal {
    bool in_is_terminal = false;
    bool out_is_terminal = false;
    bool error_is_terminal = false;
    bool is_dumb = false;    ///< TERM=dumb or empty: no cursor movement
    bool has_color = false;  ///< on stderr; NO_COLOR and dumb terminals switch it off
    std::size_t width = 80;  ///< columns

    /// Bars that redraw themselves are possible.
    bool can_redraw() const { return error_is_terminal && !is_dumb; }
    /// A person can be asked.
    bool can_ask() const { return in_is_terminal && error_is_terminal; }

    static Terminal of_process(const Environment& environment);
};

/// One line from stdin without its newline; nothing at its end. Throws Error{cancelled} when stopped, so that Ctrl C
/// works while termination signals are blocked.
std::optional<std::string> read_line(const std::stop_token& stop);
/// All of stdin, up to 1 MiB.
std::string read_stdin(const std::stop_token& stop);

}  // namespace mk::cli

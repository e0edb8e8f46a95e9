#include "cli/terminal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "os/file.hpp"

namespace mk::cli {

namespace {

constexpr int look_for_stop_ms = 100;
constexpr std::size_t narrowest = 40;
constexpr std::size_t longest_input = MiB;

/// Waits for the next byte of stdin; nothing at the end.
std::optional<char> read_byte(const std::stop_token& stop) {
    for (;;) {
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "interrupted",
                        {.consequence = "Nothing was changed.", .retry_safe = true});
        }
        pollfd wanted{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        if (::poll(&wanted, 1, look_for_stop_ms) <= 0) {
            continue;
        }
        char byte = 0;
        const auto got = ::read(STDIN_FILENO, &byte, 1);
        if (got == 1) {
            return byte;
        }
        if (got == 0) {
            return std::nullopt;
        }
        if (errno != EINTR && errno != EAGAIN) {
            throw os::system_error("read from stdin", errno);
        }
    }
}

std::size_t width_of_terminal(const Environment& environment) {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0) {
        return std::max<std::size_t>(size.ws_col, narrowest);
    }
    const auto columns = environment("COLUMNS");
    const auto number = columns ? std::strtoul(columns->c_str(), nullptr, 10) : 0;
    return number >= narrowest && number <= 1000 ? number : 80;
}

}  // namespace

std::optional<std::string> process_environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Terminal Terminal::of_process(const Environment& environment) {
    Terminal terminal;
    terminal.in_is_terminal = ::isatty(STDIN_FILENO) == 1;
    terminal.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
    terminal.error_is_terminal = ::isatty(STDERR_FILENO) == 1;
    const auto kind = environment("TERM").value_or("");
    terminal.is_dumb = kind.empty() || kind == "dumb";
    // https://no-color.org: present and not empty.
    terminal.has_color = terminal.can_redraw() && environment("NO_COLOR").value_or("").empty();
    terminal.width = width_of_terminal(environment);
    return terminal;
}

std::optional<std::string> read_line(const std::stop_token& stop) {
    std::string line;
    while (line.size() < longest_input) {
        const auto byte = read_byte(stop);
        if (!byte && line.empty()) {
            return std::nullopt;
        }
        if (!byte || *byte == '\n') {
            break;
        }
        line += *byte;
    }
    if (!line.empty() && line.back() == '\r') {
        line.pop_back();
    }
    return line;
}

std::string read_stdin(const std::stop_token& stop) {
    std::string text;
    while (const auto byte = read_byte(stop)) {
        if (text.size() == longest_input) {
            throw Error(ErrorCode::invalid, "the text on stdin is longer than 1 MiB",
                        {.consequence = "Nothing was changed.", .retry_safe = true});
        }
        text += *byte;
    }
    return text;
}

}  // namespace mk::cli

#pragma once
// One event per line on stderr: time, level, message. Thread-safe. Never log secrets; a Secret does not format.

#include <string_view>

#include <fmt/core.h>

namespace mk::log {

enum class Level { debug, info, warn, error };

/// Once at start of main. `program` prefixes every line.
void start(std::string_view program, Level level = Level::info);
void write(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::debug, fmt::vformat(format, fmt::make_format_args(args...)));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::info, fmt::vformat(format, fmt::make_format_args(args...)));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::warn, fmt::vformat(format, fmt::make_format_args(args...)));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::error, fmt::vformat(format, fmt::make_format_args(args...)));
}

}  // namespace mk::log

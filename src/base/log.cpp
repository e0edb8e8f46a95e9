#include "base/log.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace mk::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warn:
            return spdlog::level::warn;
        case Level::error:
            break;
    }
    return spdlog::level::err;
}

/// `program` becomes part of spdlog's pattern, where '%' has a meaning.
void set_pattern(spdlog::logger& logger, std::string_view program) {
    std::string prefix;
    for (const char letter : program) {
        prefix += letter;
        if (letter == '%') {
            prefix += letter;
        }
    }
    if (!prefix.empty()) {
        prefix += ' ';
    }
    logger.set_pattern(prefix + "%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
}

spdlog::logger& logger() {
    // Never destroyed: destructors of other static objects may still log.
    static spdlog::logger* const instance = [] {
        auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        auto made = std::make_unique<spdlog::logger>("mk", std::move(sink));
        set_pattern(*made, "");
        return made.release();
    }();
    return *instance;
}

/// Foreign text must not be able to start a line of its own.
std::string on_one_line(std::string_view message) {
    std::string line;
    line.reserve(message.size());
    for (const char letter : message) {
        if (letter == '\n') {
            line += "\\n";
        } else if (static_cast<unsigned char>(letter) < 0x20 && letter != '\t') {
            line += '?';
        } else {
            line += letter;
        }
    }
    return line;
}

}  // namespace

void start(std::string_view program, Level level) {
    set_pattern(logger(), program);
    logger().set_level(to_spdlog(level));
}

void write(Level level, std::string_view message) {
    if (logger().should_log(to_spdlog(level))) {
        logger().log(to_spdlog(level), on_one_line(message));
    }
}

}  // namespace mk::log

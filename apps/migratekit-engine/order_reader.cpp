#include "order_reader.hpp"

#include <cerrno>

#include <poll.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/log.hpp"

namespace mk {

namespace {

/// How soon a stop is noticed.
constexpr int poll_interval_ms = 200;

}  // namespace

std::optional<std::string> LineReader::next(const std::stop_token& stop) {
    for (;;) {
        if (const std::size_t end = text_.find('\n'); end != std::string::npos) {
            std::string line = text_.substr(0, end);
            text_.erase(0, end + 1);
            return line;
        }
        if (text_.size() > longest_line_) {
            throw Error(ErrorCode::invalid, "a line on stdin is too long");
        }
        if (!fill(stop)) {
            if (text_.empty() || stop.stop_requested()) {
                return std::nullopt;
            }
            return std::exchange(text_, {});
        }
    }
}

/// False when nothing more comes.
bool LineReader::fill(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        pollfd waited{.fd = fd_, .events = POLLIN, .revents = 0};
        if (::poll(&waited, 1, poll_interval_ms) <= 0) {
            continue;
        }
        char piece[16 * KiB];
        const ssize_t got = ::read(fd_, piece, sizeof piece);
        if (got > 0) {
            text_.append(piece, static_cast<std::size_t>(got));
            return true;
        }
        if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
            return false;
        }
    }
    return false;
}

contracts::PassRequest read_order(LineReader& lines, const std::stop_token& stop) {
    const std::optional<std::string> line = lines.next(stop);
    if (!line) {
        throw Error(stop.stop_requested() ? ErrorCode::cancelled : ErrorCode::invalid, "there was no order on stdin");
    }
    return contracts::pass_request_from(json::parse(*line));
}

CommandListener::CommandListener(LineReader& lines, std::function<void(const contracts::EngineCommand&)> on_command)
    : thread_([&lines, on_command = std::move(on_command)](const std::stop_token& stop) {
          try {
              while (const std::optional<std::string> line = lines.next(stop)) {
                  try {
                      on_command(contracts::engine_command_from(*line));
                  } catch (const Error& error) {
                      log::warn("event=command_not_understood cause=\"{}\"", error.cause());
                  }
              }
          } catch (const std::exception& caught) {
              log::warn("event=commands_ended cause=\"{}\"", as_error(caught).cause());
          }
      }) {}

}  // namespace mk

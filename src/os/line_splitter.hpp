#pragma once
// Cuts a stream of bytes into lines. A carriage return ends a line too, so that progress displays arrive while they
// change. Lines longer than the limit are delivered in pieces. Not thread-safe.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace mk::os {

class LineSplitter {
  public:
    using Callback = std::function<void(const std::string& line)>;

    explicit LineSplitter(std::size_t longest_line = 64 * 1024) : longest_line_(longest_line) {}
    /// Calls `on_line` (may be empty) for every line that is complete now.
    void add(std::string_view bytes, const Callback& on_line);
    /// Delivers what is left when the stream ended without a newline.
    void finish(const Callback& on_line);

  private:
    void deliver(const Callback& on_line);

    std::size_t longest_line_;
    std::string line_;
    bool after_return_ = false;
};

}  // namespace mk::os

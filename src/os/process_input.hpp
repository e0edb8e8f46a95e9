#pragma once
// Lines for the stdin of a running child.

#include <memory>
#include <string>

namespace mk::os {

class InputQueue;

/// The writing end of a child's stdin. Copies are the same end. Thread-safe; may outlive the child. Nothing here ever
/// blocks: what the child has not read yet waits in memory and is written while the child's owner is in Child::wait(),
/// Child::poll() or Child::stop().
class ProcessInput {
  public:
    explicit ProcessInput(std::shared_ptr<InputQueue> queue) : queue_(std::move(queue)) {}

    /// Adds the line and a newline to what is to be written. False when it was dropped: the child has ended, does not
    /// read its stdin any more, or leaves more than 1 MiB unread. Throws Error{internal} for a line with a newline in
    /// it.
    bool write_line(const std::string& line);
    /// The child finds the end of its stdin behind what was written so far; later lines are dropped.
    void close();

  private:
    std::shared_ptr<InputQueue> queue_;
};

}  // namespace mk::os

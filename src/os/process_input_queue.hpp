#pragma once
// What stands between ProcessInput and the child's stdin. Internal to os/: process.cpp polls and pumps.

#include <mutex>
#include <string>
#include <string_view>

#include "os/file.hpp"

namespace mk::os {

/// Thread-safe, except that descriptor(), wants_to_write() and pump() belong to the thread that owns the child.
class InputQueue {
  public:
    InputQueue();

    /// `socket`: the child has its other end as stdin. `first` is written before everything else.
    void connect(Descriptor socket, std::string first);

    bool add(std::string_view bytes);
    void end();

    /// Readable when something was added since acknowledge().
    int wake_descriptor() const { return wake_.get(); }
    void acknowledge() const;
    /// To be polled for writing: negative when there is nothing to write.
    int descriptor_to_poll() const;
    /// Writes what the child's side takes now.
    void pump();
    /// The child is gone.
    void drop();

  private:
    void close_locked();
    void poke() const;

    Descriptor wake_;
    mutable std::mutex mutex_;  // protects the next three
    Descriptor socket_;
    std::string unread_;
    bool is_ended_ = false;
};

}  // namespace mk::os

#pragma once
// One nbdkit serving one disk on a private Unix socket. It runs under an own thread, which collects its messages and
// whose end is the child's end (--exit-with-parent binds the child to the thread that started it).

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "source/vsphere/reader_commands.hpp"

namespace mk::vsphere {

class NbdkitProcess {
  public:
    /// Returns when it accepts connections. Throws Error{unavailable} with nbdkit's words when it ends instead,
    /// Error{timeout}, Error{cancelled}. `name` is for messages.
    NbdkitProcess(std::string name, std::vector<std::string> command, ReaderFiles files, const std::stop_token& stop);
    ~NbdkitProcess();
    NbdkitProcess(const NbdkitProcess&) = delete;
    NbdkitProcess& operator=(const NbdkitProcess&) = delete;

    std::string uri() const;
    /// The last lines it wrote, one text; for error messages.
    std::string last_words() const;

  private:
    void run(std::vector<std::string> command, const std::stop_token& stop);
    void wait_ready(const std::stop_token& stop);

    const std::string name_;
    const ReaderFiles files_;

    mutable std::mutex mutex_;  // protects the next three
    std::condition_variable_any ended_changed_;
    std::deque<std::string> words_;
    bool ended_ = false;

    std::jthread runner_;
};

}  // namespace mk::vsphere

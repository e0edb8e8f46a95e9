#pragma once
// A real NBD server for one test: nbdkit on a unix socket in a private folder.

#include <filesystem>
#include <string>
#include <vector>

#include "base/retry.hpp"
#include "base/secret.hpp"
#include "os/process.hpp"

namespace mk::test {

class NbdkitServer {
  public:
    /// Filters, plugin and their parameters: {"--filter=noextents", "memory", "64M"}.
    explicit NbdkitServer(const std::vector<std::string>& arguments)
        : folder_(std::filesystem::temp_directory_path() / ("mk-nbd-" + random_hex(6))) {
        std::filesystem::create_directory(folder_);
        std::vector<std::string> argv{"nbdkit", "-f", "-U", socket(), "--pidfile", pid_file()};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        child_.push_back(os::Child::start({.argv = argv}));
        wait_until([&] { return std::filesystem::exists(pid_file()); }, std::chrono::milliseconds{5},
                   std::chrono::seconds{20}, {}, "nbdkit did not start");
    }
    ~NbdkitServer() {
        stop();
        std::filesystem::remove_all(folder_);
    }
    NbdkitServer(const NbdkitServer&) = delete;
    NbdkitServer& operator=(const NbdkitServer&) = delete;

    /// At once: nbdkit would wait for its clients.
    void stop() {
        for (os::Child& child : child_) {
            child.stop(std::chrono::milliseconds{0});
        }
        child_.clear();
    }
    std::string uri(const std::string& name = "") const { return "nbd+unix:///" + name + "?socket=" + socket(); }

  private:
    std::string socket() const { return folder_ / "socket"; }
    std::string pid_file() const { return folder_ / "pid"; }

    std::filesystem::path folder_;
    std::vector<os::Child> child_;
};

}  // namespace mk::test

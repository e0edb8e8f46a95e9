#pragma once
// Real NBD servers for one test: nbdkit and qemu-nbd on a unix socket in a private folder.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/retry.hpp"
#include "base/secret.hpp"
#include "os/process.hpp"

namespace mk::test {

/// What all servers have; started by the constructor of a kind, stopped by the destructor.
class NbdServer {
  public:
    virtual ~NbdServer() {
        stop();
        std::filesystem::remove_all(folder_);
    }
    NbdServer(const NbdServer&) = delete;
    NbdServer& operator=(const NbdServer&) = delete;

    /// At once: a server would wait for its clients.
    void stop() {
        for (os::Child& child : child_) {
            child.stop(std::chrono::milliseconds{0});
        }
        child_.clear();
    }
    std::string uri(const std::string& name = "") const { return "nbd+unix:///" + name + "?socket=" + socket(); }

  protected:
    NbdServer() : folder_(std::filesystem::temp_directory_path() / ("mk-nbd-" + random_hex(6))) {
        std::filesystem::create_directory(folder_);
    }
    std::string socket() const { return folder_ / "socket"; }
    std::string pid_file() const { return folder_ / "pid"; }
    std::string file(const std::string& name) const { return folder_ / name; }
    void start(const std::vector<std::string>& argv) {
        child_.push_back(os::Child::start({.argv = argv}));
        wait_until([&] { return std::filesystem::exists(pid_file()); }, std::chrono::milliseconds{5},
                   std::chrono::seconds{20}, {}, argv.front() + " did not start");
    }

  private:
    std::filesystem::path folder_;
    std::vector<os::Child> child_;
};

class NbdkitServer : public NbdServer {
  public:
    /// Filters, plugin and their parameters: {"--filter=noextents", "memory", "64M"}.
    explicit NbdkitServer(const std::vector<std::string>& arguments) : arguments_(arguments) { start_again(); }
    /// After stop(): the same on the same socket. What was in memory is gone.
    void start_again() {
        std::filesystem::remove(socket());
        std::filesystem::remove(pid_file());
        std::vector<std::string> argv{"nbdkit", "-f", "-U", socket(), "--pidfile", pid_file()};
        argv.insert(argv.end(), arguments_.begin(), arguments_.end());
        start(argv);
    }

  private:
    const std::vector<std::string> arguments_;
};

/// A sparse raw file.
class QemuNbdServer : public NbdServer {
  public:
    explicit QemuNbdServer(std::uintmax_t size) {
        std::ofstream(file("disk")).close();
        std::filesystem::resize_file(file("disk"), size);
        start({"qemu-nbd", "--persistent", "--shared=8", "--format=raw", "--socket", socket(), "--pid-file", pid_file(),
               file("disk")});
    }
};

/// A file of nbdkit.
class NbdkitFileServer : public NbdServer {
  public:
    explicit NbdkitFileServer(std::uintmax_t size) {
        std::ofstream(file("disk")).close();
        std::filesystem::resize_file(file("disk"), size);
        start({"nbdkit", "-f", "-U", socket(), "--pidfile", pid_file(), "file", file("disk")});
    }
};

}  // namespace mk::test

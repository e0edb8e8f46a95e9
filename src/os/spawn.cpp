#include "os/spawn.hpp"

#include <cerrno>
#include <csignal>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 declares its functions without extern "C"
}

namespace mk::os {
namespace {

void expect(int problem, std::string_view what) {
    if (problem != 0) {
        throw system_error(what, problem);
    }
}

/// Redirections must not overwrite each other when our own 0, 1 or 2 is closed.
Descriptor above_standard_streams(Descriptor fd) {
    if (fd.get() > 2) {
        return fd;
    }
    Descriptor moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
    if (!moved) {
        throw system_error("duplicate a descriptor", errno);
    }
    return moved;
}

struct Pipe {
    Pipe() {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) {
            throw system_error("open a pipe", errno);
        }
        Descriptor first(ends[0]);
        Descriptor second(ends[1]);
        reading = above_standard_streams(std::move(first));
        writing = above_standard_streams(std::move(second));
        if (::fcntl(reading.get(), F_SETFL, O_NONBLOCK) != 0) {
            throw system_error("set up a pipe", errno);
        }
    }
    Descriptor reading;
    Descriptor writing;
};

/// A file in memory instead of a pipe: nothing to feed while the child runs, and no SIGPIPE when it does not read.
Descriptor open_input(const std::string& input) {
    if (input.empty()) {
        return above_standard_streams(open_file("/dev/null", O_RDONLY));
    }
    Descriptor file(::memfd_create("input", MFD_CLOEXEC));
    if (!file) {
        throw system_error("keep the input of a program in memory", errno);
    }
    write_at(file.get(), 0, std::as_bytes(std::span(input)));
    return above_standard_streams(std::move(file));
}

/// A connected pair instead of a pipe: writing to a pipe that nobody reads raises SIGPIPE, a socket can be told not to.
/// Returns {ours, the child's}.
std::pair<Descriptor, Descriptor> open_input_socket() {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        throw system_error("open the stdin of a program", errno);
    }
    Descriptor ours(ends[0]);
    Descriptor childs(ends[1]);
    return {above_standard_streams(std::move(ours)), above_standard_streams(std::move(childs))};
}

class FileActions {
  public:
    FileActions() { expect(::posix_spawn_file_actions_init(&actions_), "prepare a program"); }
    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;

    void connect(const Descriptor& fd, int target) {
        expect(::posix_spawn_file_actions_adddup2(&actions_, fd.get(), target), "redirect a program");
    }
    void close_from(int first) {
        expect(::posix_spawn_file_actions_addclosefrom_np(&actions_, first), "close descriptors of a program");
    }
    void change_folder(const std::string& folder) {
        expect(::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str()), "set the folder of a program");
    }
    const posix_spawn_file_actions_t* get() const { return &actions_; }

  private:
    posix_spawn_file_actions_t actions_{};
};

/// Own group, so that stopping reaches everything it started; none of our blocked or ignored signals.
class Attributes {
  public:
    Attributes() {
        expect(::posix_spawnattr_init(&attributes_), "prepare a program");
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setflags(&attributes_,
                                   POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;

    const posix_spawnattr_t* get() const { return &attributes_; }

  private:
    posix_spawnattr_t attributes_{};
};

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& added) {
    std::map<std::string, std::string> variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const auto equals = text.find('=');
        if (equals != std::string_view::npos) {
            variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
        }
    }
    for (const auto& [name, value] : added) {
        variables[name] = value;
    }
    std::vector<std::string> lines;
    for (const auto& [name, value] : variables) {
        lines.push_back(name + "=" + value);
    }
    return lines;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (std::string& text : texts) {
        list.push_back(text.data());
    }
    list.push_back(nullptr);
    return list;
}

[[noreturn]] void refuse(const Command& command, int problem) {
    const Error error = system_error("start " + command.argv.front(), problem);
    if (problem != ENOENT) {
        throw error;
    }
    throw error.advised({"Nothing was started.", "Check that " + command.argv.front() + " is installed.", true});
}

}  // namespace

Spawned spawn(const Command& command) {
    if (command.argv.empty() || command.argv.front().empty()) {
        throw Error(ErrorCode::internal, "a program without a name cannot be started");
    }
    Spawned child;
    Descriptor input;
    if (command.keeps_input_open) {
        std::tie(child.in, input) = open_input_socket();
    } else {
        input = open_input(command.input);
    }
    Pipe out;
    Pipe err;
    FileActions actions;
    actions.connect(input, STDIN_FILENO);
    actions.connect(out.writing, STDOUT_FILENO);
    actions.connect(err.writing, STDERR_FILENO);
    actions.close_from(STDERR_FILENO + 1);
    if (!command.folder.empty()) {
        actions.change_folder(command.folder);
    }
    const Attributes attributes;
    std::vector<std::string> arguments = command.argv;
    std::vector<std::string> environment = environment_with(command.environment);
    const int problem = ::posix_spawnp(&child.pid, arguments.front().c_str(), actions.get(), attributes.get(),
                                       pointers(arguments).data(), pointers(environment).data());
    if (problem != 0) {
        refuse(command, problem);
    }
    child.pidfd = Descriptor(::pidfd_open(child.pid, 0));
    if (!child.pidfd) {
        const int reason = errno;
        ::kill(-child.pid, SIGKILL);
        ::waitpid(child.pid, nullptr, 0);
        throw system_error("watch " + command.argv.front(), reason);
    }
    child.out = std::move(out.reading);
    child.err = std::move(err.reading);
    return child;
}

}  // namespace mk::os

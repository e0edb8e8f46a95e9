#include "os/signals.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <sys/socket.h>
#include <sys/un.h>

#include "os/file.hpp"

namespace mk::os {
namespace {

sigset_t termination_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

}  // namespace

void block_termination_signals() {
    const sigset_t signals = termination_signals();
    if (const int problem = pthread_sigmask(SIG_BLOCK, &signals, nullptr); problem != 0) {
        throw system_error("block the termination signals", problem);
    }
    std::signal(SIGPIPE, SIG_IGN);
}

int wait_for_termination() {
    const sigset_t signals = termination_signals();
    int signal = 0;
    int problem = 0;
    do {
        problem = sigwait(&signals, &signal);
    } while (problem == EINTR);
    if (problem != 0) {
        throw system_error("wait for a termination signal", problem);
    }
    return signal;
}

void notify_ready() {
    const char* const socket_path = std::getenv("NOTIFY_SOCKET");
    const std::string_view path = socket_path == nullptr ? "" : socket_path;
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return;
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path.front() == '@') {
        address.sun_path[0] = '\0';  // systemd's notation for an abstract socket
    }
    const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) {
        throw system_error("open a socket to the service manager", errno);
    }
    constexpr std::string_view message = "READY=1";
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    if (::sendto(socket.get(), message.data(), message.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), length) < 0) {
        throw system_error("tell the service manager that we are ready", errno);
    }
}

}  // namespace mk::os

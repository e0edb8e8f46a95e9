// mk_bench_floor SOURCE TARGET [STREAMS]: the least that a copy through two sockets can cost on this machine. Each
// stream has three threads, as a copy has three processes: one reads the file into a socket, one carries from socket to
// socket, one writes the file. No protocol, no test for zeros, nothing in user space but the system calls.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr std::size_t piece = 256 * 1024;  // stays in the processor's cache, as in a lane
constexpr int socket_buffer = 1024 * 1024;

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::_Exit(1);
}

struct Run {
    off_t begin = 0;
    off_t end = 0;
};

struct Pipe {
    int in = -1;
    int out = -1;
    Pipe() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
            fail("socketpair");
        }
        in = ends[0];
        out = ends[1];
        for (const int end : ends) {
            ::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &socket_buffer, sizeof socket_buffer);
            ::setsockopt(end, SOL_SOCKET, SO_RCVBUFFORCE, &socket_buffer, sizeof socket_buffer);
        }
    }
};

void send_all(int socket, const char* data, std::size_t length) {
    while (length > 0) {
        const ssize_t sent = ::send(socket, data, length, 0);
        if (sent <= 0) {
            fail("send");
        }
        data += sent;
        length -= static_cast<std::size_t>(sent);
    }
}

void read_file(int file, Run run, int socket) {
    std::vector<char> buffer(piece);
    while (run.begin < run.end) {
        const auto wanted = std::min<off_t>(static_cast<off_t>(piece), run.end - run.begin);
        const ssize_t got = ::pread(file, buffer.data(), static_cast<std::size_t>(wanted), run.begin);
        if (got <= 0) {
            fail("read the source");
        }
        send_all(socket, buffer.data(), static_cast<std::size_t>(got));
        run.begin += got;
    }
    ::shutdown(socket, SHUT_WR);
}

void carry(int from, int to) {
    std::vector<char> buffer(piece);
    for (ssize_t got = 0; (got = ::recv(from, buffer.data(), piece, 0)) > 0;) {
        send_all(to, buffer.data(), static_cast<std::size_t>(got));
    }
    ::shutdown(to, SHUT_WR);
}

void write_file(int socket, int file, Run run) {
    std::vector<char> buffer(piece);
    for (ssize_t got = 0; (got = ::recv(socket, buffer.data(), piece, 0)) > 0;) {
        if (::pwrite(file, buffer.data(), static_cast<std::size_t>(got), run.begin) != got) {
            fail("write the target");
        }
        run.begin += got;
    }
}

}  // namespace

int main(int argc, char** argv) {
    const int streams = argc > 3 ? std::atoi(argv[3]) : 1;
    if (argc < 3 || streams < 1) {
        std::fputs("usage: mk_bench_floor SOURCE TARGET [STREAMS]\n", stderr);
        return 2;
    }
    const int source = ::open(argv[1], O_RDONLY | O_CLOEXEC);
    const int target = ::open(argv[2], O_WRONLY | O_CLOEXEC);
    struct stat status{};
    if (source < 0 || target < 0 || ::fstat(source, &status) != 0) {
        fail("open");
    }
    std::vector<std::jthread> threads;
    for (int number = 0; number < streams; ++number) {
        const Run run{status.st_size / streams * number,
                      number + 1 == streams ? status.st_size : status.st_size / streams * (number + 1)};
        const Pipe first;
        const Pipe second;
        threads.emplace_back([=] { read_file(source, run, first.in); });
        threads.emplace_back([=] { carry(first.out, second.in); });
        threads.emplace_back([=] { write_file(second.out, target, run); });
    }
    return 0;
}

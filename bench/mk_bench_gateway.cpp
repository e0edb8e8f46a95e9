// mk_bench_gateway HOST PORT HAND_OFF_SOCKET FOLDER: the product's gateway. Prints "ready"; ends at SIGTERM.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/signals.hpp"
#include "tunnel/gateway.hpp"

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fputs("usage: mk_bench_gateway HOST PORT HAND_OFF_SOCKET FOLDER\n", stderr);
        return 2;
    }
    try {
        mk::os::block_termination_signals();
        mk::log::start("mk_bench_gateway");
        mk::tunnel::GatewayOptions options;
        options.host = argv[1];
        options.port = static_cast<std::uint16_t>(std::strtoul(argv[2], nullptr, 10));
        options.hand_off_socket = argv[3];
        options.folder = argv[4];
        options.control_folder = options.folder + "/control";
        mk::tunnel::Gateway gateway(options);
        std::puts("ready");
        std::fflush(stdout);
        mk::os::wait_for_termination();
        gateway.stop();
        return 0;
    } catch (const mk::Error& error) {
        std::fprintf(stderr, "mk_bench_gateway: %s\n", error.full_text().c_str());
        return 1;
    }
}

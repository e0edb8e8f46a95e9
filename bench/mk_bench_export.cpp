// mk_bench_export [--unix SOCKET] [--hand-off SOCKET --folder FOLDER] NAME=FILE...: the product's export server over
// files or devices, on a unix socket or behind the gateway's hand-off. Prints "ready"; ends at SIGTERM.

#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/signals.hpp"
#include "target/volumes/nbd_server.hpp"
#include "target/volumes/session_backend.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/hand_off.hpp"

namespace {

using namespace mk;

struct Order {
    std::string unix_socket;
    std::string hand_off;
    std::string folder;
    std::vector<std::pair<std::string, std::string>> exports;
};

Order parse(int argc, char** argv) {
    Order order;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const auto equals = word.find('=');
        if (i + 1 < argc && word == "--unix") {
            order.unix_socket = argv[++i];
        } else if (i + 1 < argc && word == "--hand-off") {
            order.hand_off = argv[++i];
        } else if (i + 1 < argc && word == "--folder") {
            order.folder = argv[++i];
        } else if (equals != std::string::npos) {
            order.exports.emplace_back(word.substr(0, equals), word.substr(equals + 1));
        } else {
            throw Error(ErrorCode::invalid, "unknown argument " + word);
        }
    }
    return order;
}

void serve(const Order& order) {
    volumes::NbdServer server({.address = "", .port = 0, .socket = order.unix_socket});
    for (const auto& [name, file] : order.exports) {
        const Bytes length = volumes::BlockDevice(file).size();
        server.add_export(name, volumes::make_direct_backend(file, length, true));
    }
    std::optional<tunnel::HandOffListener> listener;
    if (!order.hand_off.empty()) {
        const auto handler = [&](tunnel::Accepted accepted) { server.serve(std::move(accepted.stream)); };
        listener.emplace(tunnel::HandOffOptions{.socket = order.hand_off, .folder = order.folder},
                         std::map<std::string, tunnel::StreamHandler>{{tunnel::alpn::nbd, handler},
                                                                      {tunnel::alpn::nbd_zstd, handler}});
    }
    std::puts("ready");
    std::fflush(stdout);
    os::wait_for_termination();
    if (listener) {
        listener->stop();
    }
    server.stop();
}

}  // namespace

int main(int argc, char** argv) {
    try {
        mk::os::block_termination_signals();
        mk::log::start("mk_bench_export");
        serve(parse(argc, argv));
        return 0;
    } catch (const mk::Error& error) {
        std::fprintf(stderr, "mk_bench_export: %s\n", error.full_text().c_str());
        return 1;
    }
}

// Both ends of a data connection, for the tests of this folder.
//
//   tunnel_peer serve FOLDER SOCKET METRICS_FOLDER
//       takes connections from the gateway until SIGTERM
//   tunnel_peer dial FOLDER PROTOCOL KIND MIB ROUNDS [BYTES_PER_SECOND]
//       sends MIB MiB of KIND (text, noise) ROUNDS times; after each round the other side's SHA-256 must be ours.
//       Prints a JSON object per round, and {"error", "native"} with exit code 1 when it does not end well.
//
// On the stream: the length of a round (8 bytes, big-endian) and its bytes; back come 64 hex digits.

#include <array>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "os/signals.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/hand_off.hpp"

namespace {

using namespace mk;

constexpr std::size_t piece_size = 256 * KiB;

std::span<const std::byte> as_bytes(const std::string& text) {
    return std::as_bytes(std::span(text));
}

void answer_rounds(tunnel::Accepted accepted) {
    auto& stream = *accepted.stream;
    std::vector<std::byte> buffer(piece_size);
    std::array<std::byte, 8> header{};
    while (stream.read_some(std::span(header).first(1)) > 0) {
        stream.read(std::span(header).subspan(1));
        Bytes left = 0;
        for (const auto byte : header) {
            left = left << 8U | std::to_integer<Bytes>(byte);
        }
        Sha256 digest;
        while (left > 0) {
            const auto got = stream.read_some(std::span(buffer).first(std::min<Bytes>(left, buffer.size())));
            if (got == 0) {
                return;
            }
            digest.add(std::span(buffer).first(got));
            left -= got;
        }
        stream.write(as_bytes(digest.finish()));
    }
}

int serve(const std::string& folder, const std::string& socket, const std::string& metrics_folder) {
    os::block_termination_signals();
    tunnel::HandOffListener listener({.socket = socket, .folder = folder, .metrics_folder = metrics_folder},
                                     {{tunnel::alpn::nbd, &answer_rounds},
                                      {tunnel::alpn::nbd_zstd, &answer_rounds},
                                      {tunnel::alpn::digest, &answer_rounds}});
    os::wait_for_termination();
    listener.stop();
    return 0;
}

std::vector<std::byte> content(const std::string& kind) {
    std::vector<std::byte> data(piece_size);
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < data.size(); ++i) {
        state = state * 1'664'525U + 1'013'904'223U;
        // Words of the system's language: a few of many, in no order, is what zstd halves and more.
        data[i] = kind == "noise" ? static_cast<std::byte>(state >> 24U)
                                  : static_cast<std::byte>('a' + (state >> 29U) * (i % 3));
    }
    return data;
}

int send_rounds(const std::vector<std::string>& arguments) {
    const auto mebibytes = std::stoull(arguments[5]);
    const auto rounds = std::stoull(arguments[6]);
    const auto traffic = std::make_shared<tunnel::Traffic>();
    tunnel::DialOptions options{.folder = arguments[2]};
    if (arguments.size() > 7) {
        options.bucket = std::make_shared<tunnel::TokenBucket>(std::stoull(arguments[7]));
    }
    const auto stream = tunnel::dial(options, arguments[3], traffic, {});
    const auto data = content(arguments[4]);
    const Bytes length = mebibytes * MiB;
    std::array<std::byte, 8> header{};
    for (unsigned i = 0; i < header.size(); ++i) {
        header.at(i) = static_cast<std::byte>(length >> (56U - 8U * i));
    }
    for (std::size_t round = 1; round <= rounds; ++round) {
        Sha256 digest;
        stream->write(std::span<const std::byte>(header));
        for (Bytes sent = 0; sent < length; sent += data.size()) {
            digest.add(data);
            stream->write(std::span<const std::byte>(data));
        }
        std::string answer(64, ' ');
        stream->read(std::as_writable_bytes(std::span(answer)));
        if (answer != digest.finish()) {
            throw Error(ErrorCode::corrupt, "other bytes arrived than were sent");
        }
        std::cout << json::dump({{"round", round}, {"payload", round * length}, {"wire", traffic->sent.load()}})
                  << std::endl;  // flushed: the test waits for it
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv, argv + argc);
    log::start("tunnel_peer");
    try {
        if (arguments.size() == 5 && arguments[1] == "serve") {
            return serve(arguments[2], arguments[3], arguments[4]);
        }
        if (arguments.size() >= 7 && arguments[1] == "dial") {
            return send_rounds(arguments);
        }
        std::cerr << "see the first lines of tunnel_peer.cpp\n";
        return 2;
    } catch (const std::exception& caught) {
        const auto error = as_error(caught);
        std::cout << json::dump(
                         {{"error", to_string(error.code())}, {"cause", error.cause()}, {"native", error.native()}})
                  << std::endl;
        return 1;
    }
}

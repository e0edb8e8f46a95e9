#include "probe.hpp"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>

#include "base/error.hpp"
#include "http/client.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace mk::oma {

namespace {

/// Of an answer; what is expected in it must be found here.
constexpr std::size_t answer_length = 64 * 1024;

std::optional<std::string> ask_http(const std::string& address, const Probe& probe, std::chrono::milliseconds limit,
                                    const std::stop_token& stop) {
    const bool is_v6 = address.find(':') != std::string::npos;
    const auto url =
        "http://" + (is_v6 ? "[" + address + "]" : address) + ":" + std::to_string(probe.port) + probe.path;
    const auto response =
        http::Client().send({.method = "GET", .url = url, .headers = {}, .body = {}, .limit = limit}, stop);
    return "HTTP " + std::to_string(response.status) + " from " + url + ": " + response.body.substr(0, answer_length);
}

/// An address that CloudStack says must not become an option of a program.
bool is_numeric(const std::string& address) {
    in6_addr parsed{};
    return ::inet_pton(AF_INET, address.c_str(), &parsed) == 1 || ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
}

/// The system's program has the privilege that a raw socket needs, we have not.
std::optional<std::string> ask_ping(const std::string& address, std::chrono::milliseconds limit,
                                    const std::stop_token& stop) {
    if (!is_numeric(address)) {
        return std::nullopt;
    }
    const auto seconds = std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(limit).count());
    std::string answer;
    const auto exit = os::run({.argv = {"ping", "-n", "-c", "1", "-w", std::to_string(seconds), address}},
                              limit + std::chrono::seconds{1}, stop, [&](const std::string& line) {
                                  if (line.find(" bytes from ") != std::string::npos) {
                                      answer = line;
                                  }
                              });
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "stopped while the machine was pinged");
    }
    return exit.ok() && !answer.empty() ? std::optional("ping: " + answer) : std::nullopt;
}

}  // namespace

Probe parse_probe(const std::string& text) {
    if (text == "ping") {
        return {.kind = Probe::Kind::ping};
    }
    Probe probe;
    const auto colon = text.find(':');
    const auto kind = text.substr(0, colon);
    auto rest = colon == std::string::npos ? std::string{} : text.substr(colon + 1);
    const auto slash = rest.find('/');
    if (slash != std::string::npos) {
        probe.path = rest.substr(slash);
        rest = rest.substr(0, slash);
    }
    probe.kind = kind == "http" ? Probe::Kind::http : Probe::Kind::tcp;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), probe.port);
    const bool number = error == std::errc{} && end == rest.data() + rest.size() && probe.port != 0;
    // What is left of it becomes a line of a request.
    const bool is_printable =
        std::all_of(probe.path.begin(), probe.path.end(), [](char c) { return c > ' ' && c < 127; });
    if ((kind != "http" && kind != "tcp") || !number || !is_printable ||
        (kind == "tcp" && slash != std::string::npos)) {
        throw Error(ErrorCode::invalid, "'" + text + "' is not a probe",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Use http:PORT/PATH, tcp:PORT or ping.",
                     .retry_safe = true});
    }
    return probe;
}

std::optional<std::string> answer_of(const std::string& address, const Probe& probe, std::chrono::milliseconds limit,
                                     const std::stop_token& stop) {
    try {
        switch (probe.kind) {
            case Probe::Kind::http:
                return ask_http(address, probe, limit, stop);
            case Probe::Kind::tcp:
                return "TCP " + address + ":" + std::to_string(probe.port) +
                       " said: " + os::read_greeting(address, probe.port, limit);
            case Probe::Kind::ping:
                return ask_ping(address, limit, stop);
        }
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
    }
    return std::nullopt;
}

}  // namespace mk::oma

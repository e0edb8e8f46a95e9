#include "boot_probe.hpp"

#include <charconv>
#include <optional>

#include "base/clock.hpp"
#include "base/retry.hpp"
#include "http/client.hpp"
#include "os/socket.hpp"

namespace mk::oma {

namespace {

constexpr std::size_t evidence_length = 400;

struct Probe {
    bool http = false;
    std::uint16_t port = 0;
    std::string path = "/";
};

Probe parse(const std::string& text) {
    Probe probe;
    const auto colon = text.find(':');
    const auto kind = text.substr(0, colon);
    auto rest = colon == std::string::npos ? std::string{} : text.substr(colon + 1);
    const auto slash = rest.find('/');
    if (slash != std::string::npos) {
        probe.path = rest.substr(slash);
        rest = rest.substr(0, slash);
    }
    probe.http = kind == "http";
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), probe.port);
    const bool number = error == std::errc{} && end == rest.data() + rest.size() && probe.port != 0;
    if ((kind != "http" && kind != "tcp") || !number || (kind == "tcp" && slash != std::string::npos)) {
        throw Error(
            ErrorCode::invalid, "'" + text + "' is not a probe",
            {.consequence = "Nothing was changed.", .remedy = "Use http:PORT/PATH or tcp:PORT.", .retry_safe = true});
    }
    return probe;
}

/// What the guest answered, or nothing. Not connecting is no answer: it may still be booting.
std::optional<std::string> answer_of(const std::string& address, const Probe& probe, std::chrono::milliseconds limit,
                                     const std::stop_token& stop) {
    try {
        if (probe.http) {
            const auto url = "http://" + address + ":" + std::to_string(probe.port) + probe.path;
            const auto response =
                http::Client().send({.method = "GET", .url = url, .headers = {}, .body = {}, .limit = limit}, stop);
            return "HTTP " + std::to_string(response.status) + " from " + url + ": " +
                   response.body.substr(0, evidence_length);
        }
        const auto greeting = os::read_greeting(address, probe.port, limit);
        return "TCP " + address + ":" + std::to_string(probe.port) + " said: " + greeting.substr(0, evidence_length);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        return std::nullopt;
    }
}

}  // namespace

void BootProbe::check(const std::string& probe) {
    if (!probe.empty()) {
        parse(probe);
    }
}

failover::BootEvidence BootProbe::observe(const failover::CloudMachine& machine, const std::string& probe,
                                          std::chrono::seconds limit, const std::stop_token& stop) {
    if (probe.empty()) {
        return {failover::BootVerdict::not_proven, "CloudStack says " + machine.state + "; no probe was asked for"};
    }
    const auto wanted = parse(probe);
    std::vector<std::string> addresses;
    for (const auto& nic : machine.nics) {
        if (!nic.ip_address.empty()) {
            addresses.push_back(nic.ip_address);
        }
    }
    if (addresses.empty()) {
        return {failover::BootVerdict::not_proven, "CloudStack gave the machine no address to probe"};
    }
    std::string seen;
    try {
        wait_until(
            [&] {
                for (const auto& address : addresses) {
                    if (const auto answer = answer_of(address, wanted, pacing_.answer_limit, stop)) {
                        seen = *answer;
                        return true;
                    }
                }
                return false;
            },
            pacing_.interval, limit, stop, "no answer");
    } catch (const Error& error) {
        if (error.code() != ErrorCode::timeout) {
            throw;
        }
        return {failover::BootVerdict::failed,
                "no answer to " + probe + " at " + addresses.front() + " within " + format_duration(limit)};
    }
    return {failover::BootVerdict::booted, seen + " (seen " + to_iso8601(SystemClock().now()) + ")"};
}

}  // namespace mk::oma

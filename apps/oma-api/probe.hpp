#pragma once
// One way to prove that a machine answers: "http:PORT/PATH", "tcp:PORT", "ping". Free functions, any thread.

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

namespace mk::oma {

struct Probe {
    enum class Kind { http, tcp, ping };
    Kind kind = Kind::tcp;
    std::uint16_t port = 0;
    std::string path = "/";
};

/// Throws Error{invalid} for a text that is no probe.
Probe parse_probe(const std::string& text);

/// What the guest answered within `limit`, for the record; nothing when it did not. Not connecting is no answer: it may
/// still be booting. Throws Error{cancelled} when stopped.
std::optional<std::string> answer_of(const std::string& address, const Probe& probe, std::chrono::milliseconds limit,
                                     const std::stop_token& stop);

}  // namespace mk::oma

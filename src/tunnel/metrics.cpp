#include "tunnel/metrics.hpp"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/file.hpp"

namespace mk::tunnel {
namespace {

struct Row {
    const char* name;
    const char* type;
    const char* help;
    double (*value)(const Metrics::Protocol&);
};

double number(const std::atomic<std::uint64_t>& counter) {
    return static_cast<double>(counter.load());
}

/// Payload by wire, both directions; 1 while nothing went.
double ratio_of(const Metrics::Protocol& protocol) {
    const double payload = number(protocol.payload.sent) + number(protocol.payload.received);
    const double wire = number(protocol.wire.sent) + number(protocol.wire.received);
    return payload > 0 ? wire / payload : 1.0;
}

constexpr Row rows[] = {
    {"connections_total", "counter", "Connections that were served",
     [](const auto& p) { return number(p.connections); }},
    {"connections_open", "gauge", "Connections that are served now", [](const auto& p) { return number(p.open); }},
    {"refused_total", "counter", "Handshakes that came to nothing", [](const auto& p) { return number(p.refused); }},
    {"revoked_total", "counter", "Connections cut because the pairing was removed",
     [](const auto& p) { return number(p.revoked); }},
    {"cuts_total", "counter", "Connections that ended with an error",
     [](const auto& p) { return number(p.wire.cuts); }},
    {"payload_in_bytes_total", "counter", "Bytes the service read",
     [](const auto& p) { return number(p.payload.received); }},
    {"payload_out_bytes_total", "counter", "Bytes the service wrote",
     [](const auto& p) { return number(p.payload.sent); }},
    {"wire_in_bytes_total", "counter", "Bytes that came over the network",
     [](const auto& p) { return number(p.wire.received); }},
    {"wire_out_bytes_total", "counter", "Bytes that went over the network",
     [](const auto& p) { return number(p.wire.sent); }},
    {"wire_ratio", "gauge", "Bytes on the network per byte of payload", [](const auto& p) { return ratio_of(p); }},
};

/// Visible in one step, but not flushed to the disk: after a crash the figures begin anew anyway.
void replace_file(const std::string& path, const std::string& text) {
    const auto temporary = path + ".new";
    const auto file = os::open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    os::write_at(file.get(), 0, std::as_bytes(std::span(text)));
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        throw os::system_error("replace " + path, errno);
    }
}

}  // namespace

Metrics::Metrics(std::string place) : place_(std::move(place)) {}

Metrics::Protocol& Metrics::of(const std::string& protocol) {
    const std::lock_guard lock(mutex_);
    auto& entry = protocols_[protocol];
    if (!entry) {
        entry = std::make_unique<Protocol>();
    }
    return *entry;
}

void Metrics::set_round_trip(const std::string& appliance_id, std::chrono::microseconds time) {
    const std::lock_guard lock(mutex_);
    round_trips_[appliance_id] = time;
}

void Metrics::forget_round_trips() {
    const std::lock_guard lock(mutex_);
    round_trips_.clear();
}

std::string Metrics::to_prometheus() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& row : rows) {
        text += fmt::format("# HELP mk_tunnel_{0} {1}.\n# TYPE mk_tunnel_{0} {2}\n", row.name, row.help, row.type);
        for (const auto& [name, protocol] : protocols_) {
            text += fmt::format("mk_tunnel_{}{{place=\"{}\",protocol=\"{}\"}} {}\n", row.name, place_, name,
                                row.value(*protocol));
        }
    }
    text +=
        "# HELP mk_tunnel_round_trip_seconds Time to the peer and back.\n"
        "# TYPE mk_tunnel_round_trip_seconds gauge\n";
    for (const auto& [appliance, time] : round_trips_) {
        text += fmt::format("mk_tunnel_round_trip_seconds{{place=\"{}\",appliance=\"{}\"}} {}\n", place_, appliance,
                            std::chrono::duration<double>(time).count());
    }
    return text;
}

void Metrics::write_to(const std::string& folder) {
    try {
        os::make_folders(folder);
        replace_file(folder + "/tunnel-" + place_ + ".prom", to_prometheus());
        has_failed_ = false;
    } catch (const Error& error) {
        if (!has_failed_) {
            log::warn("tunnel_metrics_not_written reason=\"{}\"", error.cause());
        }
        has_failed_ = true;
    }
}

std::shared_ptr<Traffic> borrowed(Traffic& traffic) {
    return {std::shared_ptr<void>(), &traffic};
}

}  // namespace mk::tunnel

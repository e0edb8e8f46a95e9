#pragma once
// The tunnel's figures of one process. Prometheus text in a small file that is rewritten every few seconds: a file can
// be read by everything (node_exporter's textfile collector, `migratekit-tunnel status`), needs no listener, and a
// reader can never hold up the tunnel. Thread-safe.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "tunnel/traffic.hpp"

namespace mk::tunnel {

class Metrics {
  public:
    /// Of all connections of one protocol together.
    struct Protocol {
        std::atomic<std::uint64_t> connections{0};
        std::atomic<std::uint64_t> open{0};
        std::atomic<std::uint64_t> refused{0};  ///< handshakes that came to nothing
        std::atomic<std::uint64_t> revoked{0};  ///< cut because the pairing was removed
        Traffic wire;                           ///< TLS and all, as on the network
        Traffic payload;                        ///< what the service saw
    };

    /// `place` tells the processes apart: "gateway", "hand_off", "client".
    explicit Metrics(std::string place);

    /// Lives as long as this object.
    Protocol& of(const std::string& protocol);
    void set_round_trip(const std::string& appliance_id, std::chrono::microseconds time);
    void forget_round_trips();

    std::string to_prometheus() const;
    /// Writes FOLDER/tunnel-PLACE.prom, readable for all. A failure is told in the log once and disturbs nothing else.
    void write_to(const std::string& folder);

  private:
    const std::string place_;
    mutable std::mutex mutex_;
    std::map<std::string, std::unique_ptr<Protocol>> protocols_;
    std::map<std::string, std::chrono::microseconds> round_trips_;
    bool has_failed_ = false;
};

/// Shares ownership of nothing: for streams whose counters belong to a Metrics that outlives them.
std::shared_ptr<Traffic> borrowed(Traffic& traffic);

}  // namespace mk::tunnel

#pragma once
// The engine's targets: exports of the Volume Daemon, through the tunnel ("tunnel:///EXPORT") or at an NBD URI.

#include <map>
#include <memory>
#include <string>

#include "contracts/vma_api.hpp"
#include "engine/ports.hpp"
#include "tunnel/dialer.hpp"

namespace mk {

/// The export of a target URI: the write session. Throws Error{invalid} for a URI of another form.
std::string session_of(const std::string& target_uri);
bool is_through_tunnel(const std::string& target_uri);

/// Thread-safe. All connections share one limit and one count.
class NbdTarget : public engine::Target {
  public:
    /// `tunnel_folder`: identity and pairing of this appliance; empty when there is no tunnel.
    NbdTarget(const contracts::PassRequest& request, std::string tunnel_folder);

    std::unique_ptr<block::BlockSink> open(const DiskId& disk, const std::stop_token& stop) override;
    std::unique_ptr<engine::TargetDigests> open_digests(const DiskId& disk, const std::stop_token& stop) override;

    /// On the wire, from now on; 0 = none.
    void set_limit(Bytes bytes_per_second) { bucket_->set_rate(bytes_per_second); }
    /// Sent and received, after compression.
    Bytes wire_bytes() const { return traffic_->sent + traffic_->received; }

  private:
    std::unique_ptr<block::BlockSink> open_sink(const std::string& uri, const std::stop_token& stop);
    tunnel::DialOptions dial_options() const;

    std::map<DiskId, std::string> uris_;
    std::string tunnel_folder_;
    std::shared_ptr<tunnel::TokenBucket> bucket_;
    std::shared_ptr<tunnel::Traffic> traffic_ = std::make_shared<tunnel::Traffic>();
};

}  // namespace mk

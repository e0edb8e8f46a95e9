#pragma once
// VcenterGateway on the vSphere client: a session per call, a time limit on each.

#include <chrono>
#include <mutex>

#include "appliance/vma/ports.hpp"
#include "source/vsphere/vsphere.hpp"

namespace mk {

struct GatewayLimits {
    std::chrono::milliseconds discovery = std::chrono::minutes{5};  ///< large inventories take their time
    std::chrono::milliseconds power = std::chrono::minutes{2};
    std::chrono::milliseconds sweep = std::chrono::minutes{10};  ///< includes consolidation
};

struct GatewayOptions {
    GatewayLimits limits{};
    std::string appliance_id;  ///< whose snapshots are removed
    vsphere::ReaderOptions readers{};
};

class VsphereGateway : public vma::VcenterGateway {
  public:
    explicit VsphereGateway(GatewayOptions options) : options_(std::move(options)) {}
    vma::Discovered discover(const contracts::VcenterAccess& access, const std::string& filter,
                             const std::stop_token& stop) override;
    contracts::PowerState power(const contracts::PowerRequest& request, const std::stop_token& stop) override;
    vma::Swept sweep(const contracts::VcenterAccess& access, const std::string& moref,
                     const std::stop_token& stop) override;
    vma::FoundSnapshots snapshots(const contracts::VcenterAccess& access, const std::stop_token& stop) override;
    void remove_snapshot(const contracts::SnapshotRemoval& removal, const std::stop_token& stop) override;
    /// Looked for at most once a minute: everybody may ask for /health, and each look starts programs.
    std::vector<std::string> readers() const override;

  private:
    vsphere::Access access_of(const contracts::VcenterAccess& access) const;

    const GatewayOptions options_;

    mutable std::mutex mutex_;  // protects the next two; held while looking, so that one look serves all
    mutable std::vector<std::string> readers_;
    mutable std::chrono::steady_clock::time_point looked_at_{};
};

}  // namespace mk

#pragma once
// VcenterGateway on the vSphere client: a session per call, a time limit on each.

#include <chrono>

#include "appliance/vma/ports.hpp"

namespace mk {

struct GatewayLimits {
    std::chrono::milliseconds discovery = std::chrono::minutes{5};  ///< large inventories take their time
    std::chrono::milliseconds power = std::chrono::minutes{2};
    std::chrono::milliseconds sweep = std::chrono::minutes{10};  ///< includes consolidation
};

class VsphereGateway : public vma::VcenterGateway {
  public:
    explicit VsphereGateway(GatewayLimits limits) : limits_(limits) {}
    vma::Discovered discover(const contracts::VcenterAccess& access, const std::string& filter,
                             const std::stop_token& stop) override;
    contracts::PowerState power(const contracts::PowerRequest& request, const std::stop_token& stop) override;
    vma::Swept sweep(const contracts::VcenterAccess& access, const std::string& moref,
                     const std::stop_token& stop) override;
    std::vector<std::string> readers() const override;

  private:
    GatewayLimits limits_;
};

}  // namespace mk

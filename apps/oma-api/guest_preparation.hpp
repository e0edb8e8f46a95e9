#pragma once
// Guest preparation by virt-v2v (target/guest) behind the failover's port.

#include "control/failover/ports.hpp"
#include "target/guest/virt_v2v.hpp"

namespace mk::oma {

class VirtV2vPreparation : public failover::GuestPreparation {
  public:
    explicit VirtV2vPreparation(guest::Tools tools) : tools_(std::move(tools)) {}

    void check() override { guest::require_installed(tools_); }
    failover::Preparation prepare(const std::vector<failover::GuestDisk>& disks, const SourceMachine& source,
                                  const failover::Report& log, const std::stop_token& stop) override;

  private:
    guest::Tools tools_;
};

}  // namespace mk::oma

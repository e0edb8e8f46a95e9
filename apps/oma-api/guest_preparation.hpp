#pragma once
// Guest inspection and preparation by libguestfs' tools (target/guest) behind the failover's port, and their settings.

#include <set>
#include <string>

#include "base/config.hpp"
#include "control/failover/ports.hpp"
#include "target/guest/tools.hpp"

namespace mk::oma {

/// The keys "guest..." of oma-api's configuration.
const std::set<std::string>& guest_keys();
/// Throws Error{invalid} for a value out of range.
guest::Tools guest_tools(const Config& config);

class VirtV2vPreparation : public failover::GuestPreparation {
  public:
    /// Ends and removes what the tools of an earlier process left, before anybody touches the volumes.
    explicit VirtV2vPreparation(guest::Tools tools);

    void check() override;
    failover::GuestInspection inspect(const std::vector<failover::GuestDisk>& disks, const SourceMachine& source,
                                      const std::stop_token& stop) override;
    failover::Preparation prepare(const std::vector<failover::GuestDisk>& disks, const SourceMachine& source,
                                  const failover::Report& log, const std::stop_token& stop) override;

  private:
    guest::Tools tools_;
};

}  // namespace mk::oma

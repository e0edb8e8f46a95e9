#pragma once
// Connecting CloudStack in three steps: address and keys, discovery, choice by name (inventory S). Thread-safe.

#include <stop_token>
#include <string>
#include <vector>

#include "control/settings/cloudstack_settings.hpp"

namespace mk::settings {

struct Resource {
    std::string id;
    std::string name;
    std::string note;  ///< what helps to choose: "Isolated", "customized", "Running" ...
    bool usable = true;
};

/// What a CloudStack offers to this account.
struct Resources {
    std::string version;
    bool snapshots_of_running_machines = false;
    std::vector<Resource> zones;
    std::vector<Resource> templates;
    std::vector<Resource> service_offerings;
    std::vector<Resource> disk_offerings;  ///< usable: customized
    std::vector<Resource> networks;
    std::vector<Resource> machines;  ///< candidates for the appliance's own machine
    std::string own_machine_id;      ///< when it was found by itself
};

/// Implemented in apps/oma-api over target/cloudstack.
class ResourceDiscovery {
  public:
    virtual ~ResourceDiscovery() = default;
    /// Errors: unauthenticated for wrong keys, unavailable.
    virtual Resources discover(const CloudStackSettings& access, const std::stop_token& stop) = 0;
};

/// Names or ids, as typed; an empty one means: the only or first usable.
struct Choice {
    std::string zone;
    std::string template_name;
    std::string service_offering;
    std::string disk_offering;
    std::string network;
    std::string test_network;
    std::string appliance_vm;
};

class CloudStackSetup {
  public:
    CloudStackSetup(CloudStackSettingsRepository& repository, ResourceDiscovery& discovery);

    /// With the given access, or with the stored one when `access.api_url` is empty.
    Resources discover(CloudStackSettings access, const std::stop_token& stop);
    /// Discovers, resolves every name, stores the result in place of the former one, and returns it.
    /// Throws Error{invalid} naming what could not be resolved and what there is.
    CloudStackSettings configure(CloudStackSettings access, const Choice& choice, const std::stop_token& stop);

  private:
    CloudStackSettings complete(CloudStackSettings access) const;

    CloudStackSettingsRepository& repository_;
    ResourceDiscovery& discovery_;
};

}  // namespace mk::settings

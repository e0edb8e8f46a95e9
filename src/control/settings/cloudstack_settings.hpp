#pragma once
// How to reach CloudStack and what to use there: one row of ossea_configs, updated in place (S6c). Keys are sealed;
// everything else is readable. Used by oma-api and by volume-daemon through the shared database. Thread-safe.

#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"

namespace mk::settings {

struct CloudStackSettings {
    std::string api_url;             ///< "http(s)://host[:port]/client/api"
    std::string certificate_sha256;  ///< pin for https; empty = CA verification
    Secret api_key;
    Secret secret_key;
    std::string zone_id;
    std::string zone_name;
    std::string template_id;  ///< any Ready KVM template: its root is thrown away
    std::string service_offering_id;
    std::string disk_offering_id;    ///< customized, for replica volumes
    std::string network_id;          ///< default for live failovers
    std::string test_network_id;     ///< default for tests: isolated
    CloudMachineId appliance_vm_id;  ///< the OMA's own machine (E12)
};

class CloudStackSettingsRepository {
  public:
    CloudStackSettingsRepository(std::shared_ptr<db::Database> database, const SecretBox& box, const Clock& clock);
    std::optional<CloudStackSettings> find() const;
    /// Throws Error{conflict} with the remedy when CloudStack is not configured yet.
    CloudStackSettings require() const;
    void save(const CloudStackSettings& settings);

  private:
    std::shared_ptr<db::Database> database_;
    const SecretBox& box_;
    const Clock& clock_;
};

}  // namespace mk::settings

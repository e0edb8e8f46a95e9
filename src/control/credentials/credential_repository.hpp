#pragma once
// vCenter credentials (inventory R): passwords are write-only and sealed with AES-256-GCM. Thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "contracts/vma_api.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"

namespace mk::credentials {

struct Credential {
    CredentialId id;
    std::string name;
    std::string vcenter;  ///< URL or host
    std::string username;
    std::string certificate_sha256;
    std::string vcenter_uuid;
    Instant created{};
    Instant updated{};
    std::string updated_by;
};

class CredentialRepository {
  public:
    CredentialRepository(std::shared_ptr<db::Database> database, const SecretBox& box, const Clock& clock);

    /// Throws Error{conflict} when the name is taken. `entry.id` is ignored.
    CredentialId add(const Credential& entry, const Secret& password, const std::string& actor);
    /// By id or by name. Throws Error{not_found}.
    Credential require(const std::string& id_or_name) const;
    std::vector<Credential> list() const;
    /// Throws Error{conflict} naming how many machines use it.
    void remove(const CredentialId& id);
    /// Everything needed to reach the vCenter, password included.
    contracts::VcenterAccess access(const CredentialId& id) const;

  private:
    std::shared_ptr<db::Database> database_;
    const SecretBox& box_;
    const Clock& clock_;
};

}  // namespace mk::credentials

#pragma once
// What target/volumes needs from its surroundings; implemented in apps/volume-daemon.

#include <optional>
#include <string>

#include "base/secret.hpp"
#include "model/ids.hpp"

namespace mk::volumes {

/// Objects that we create outside are noted here before they exist (architecture.md decision 5). Thread-safe.
class Ledger {
  public:
    virtual ~Ledger() = default;
    /// The id of the entry. Repeating it for an entry that is not gone returns the same.
    virtual std::string intend(const std::string& kind, const std::string& name, const VmContextId& vm_context_id,
                               const JobId& job_id) = 0;
    virtual void confirm(const std::string& entry_id, const std::string& object_id) = 0;
    /// The object's absence was seen.
    virtual void gone(const std::string& kind, const std::string& object_id) = 0;
    /// An intention that came to nothing: no object of that name exists.
    virtual void name_gone(const std::string& kind, const std::string& name) = 0;
    /// The object id of an entry that is not gone, if one was confirmed.
    virtual std::optional<std::string> find_object(const std::string& kind, const std::string& name) const = 0;
};

/// How to reach CloudStack and what to use there; empty texts are not configured.
struct CloudSettings {
    std::string api_url;
    std::string certificate_sha256;
    Secret api_key;
    Secret secret_key;
    std::string zone_id;
    std::string disk_offering_id;
    CloudMachineId appliance_vm_id;  ///< the machine that this daemon runs on
};

/// Read at each use, so that changes apply at once. Thread-safe.
class CloudSettingsSource {
  public:
    virtual ~CloudSettingsSource() = default;
    /// Throws Error{conflict} with the remedy when CloudStack is not configured.
    virtual CloudSettings require() const = 0;
};

/// A command that a former run of this daemon sent to CloudStack and did not see the end of (model/effect_journal.hpp).
struct UnfinishedCommand {
    std::string note;
    std::string command;
    std::string object;        ///< what it is about: an id, or a name
    std::string object_id;     ///< of what it makes, where that was told
    std::string async_job_id;  ///< empty: its answer was never seen
};

/// Kinds of entries.
inline constexpr const char* ledger_volume = "volume";
inline constexpr const char* ledger_clone = "volume_clone";
inline constexpr const char* ledger_snapshot = "volume_snapshot";
inline constexpr const char* ledger_default_root = "default_root";

}  // namespace mk::volumes

#pragma once
// All machines, volumes and snapshots that an account sees, with our tag, in four lists. Reads only, so everybody may
// use it: who changes an object goes through its owner. Thread-safe.

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "model/ids.hpp"
#include "target/cloudstack/client.hpp"

namespace mk::cloudstack {

/// `tag` is the value of the tag that was asked for; nothing where the object does not have it. `created` is by the
/// clock of CloudStack.
struct ListedMachine {
    CloudMachineId id;
    std::string name;
    std::string state;  ///< as in machine_commands.hpp; a Destroyed one is listed until it is expunged
    std::optional<std::string> tag{};
    std::optional<Instant> created{};
};

struct ListedVolume {
    VolumeId id;
    std::string name;
    std::string state;
    Bytes size = 0;
    std::optional<CloudMachineId> vm_id{};
    std::string vm_name{};
    std::optional<std::string> tag{};
    std::optional<Instant> created{};
};

struct ListedSnapshot {
    CloudSnapshotId id;
    std::string name;
    std::string state;
    VolumeId volume_id;
    std::optional<std::string> tag{};
    std::optional<Instant> created{};
};

class InventoryCommands {
  public:
    /// Tags are read now: an object that is tagged later is listed without. Where this account may not read tags
    /// nothing has one.
    InventoryCommands(const Client& client, const std::string& tag_key, const std::stop_token& stop);

    std::vector<ListedMachine> machines(const std::stop_token& stop) const;
    std::vector<ListedVolume> volumes(const std::stop_token& stop) const;
    std::vector<ListedSnapshot> snapshots(const std::stop_token& stop) const;

  private:
    std::optional<std::string> tag_of(const std::string& id) const;

    const Client& client_;
    std::map<std::string, std::string> tags_;  ///< by the id of the object
};

}  // namespace mk::cloudstack

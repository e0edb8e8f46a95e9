#pragma once
// A machine under management: the VM context that everything hangs on (A3).

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "model/ids.hpp"
#include "model/machine_status.hpp"
#include "model/source_machine.hpp"

namespace mk::machines {

struct Machine {
    VmContextId id;
    CredentialId credential_id;
    SourceMachine source;  ///< as last discovered
    MachineStatus status = MachineStatus::discovered;
    Instant status_since{};
    std::string status_reason;  ///< why it is so, when that needs saying
    JobId current_job;          ///< empty when nothing runs
    DiskId boot_disk;           ///< decided or overridden
    std::optional<Instant> last_sync;
    std::optional<Instant> last_test;
    std::string last_test_verdict;
    std::optional<Instant> verified_at;  ///< when the copy was last compared with the source
    std::string verified_verdict;        ///< "identical" or "differs"
    int verified_percent = 0;            ///< share of the machine that was compared
    std::string compare_reason;          ///< why the next pass compares everything; empty when it does not
    std::int64_t version = 0;
    Instant created{};
};

/// The stable row of one disk of a machine (CC 7).
struct MachineDisk {
    DiskId disk_id;
    int position = 0;
    std::string label;
    Bytes capacity = 0;
    std::string backing_uuid;
    bool is_boot = false;
    VolumeId volume_id;  ///< empty before the first sync
    Bytes bytes_total = 0;
    Bytes bytes_done = 0;
};

}  // namespace mk::machines

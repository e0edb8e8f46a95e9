#pragma once
// The identifiers of the domain (architecture.md decision 14).

#include "base/ids.hpp"

namespace mk {

using VmContextId = Id<struct VmContextTag>;          ///< "ctx-<vm>-YYYYMMDD-HHMMSS" (Q1)
using DiskId = Id<struct DiskTag>;                    ///< "disk-<VMware device key>" (B13); unique within a machine
using VolumeId = Id<struct VolumeTag>;                ///< bare CloudStack UUID (CC 9)
using CloudSnapshotId = Id<struct CloudSnapshotTag>;  ///< CloudStack UUID of a volume snapshot
using CloudMachineId = Id<struct CloudMachineTag>;    ///< CloudStack UUID of a virtual machine
using JobId = Id<struct JobTag>;                      ///< UUIDv7; one id in API, GUI, CLI, JobLog, logs
using RecoveryPointId = Id<struct RecoveryPointTag>;
using WriteSessionId = Id<struct WriteSessionTag>;
using CredentialId = Id<struct CredentialTag>;

inline DiskId disk_id_from_key(int device_key) {
    return DiskId{"disk-" + std::to_string(device_key)};
}

}  // namespace mk

#include "source/vsphere/faults.hpp"

#include <algorithm>
#include <array>

namespace mk::vsphere {
namespace {

constexpr std::string_view login_remedy =
    "Check user name and password in the stored credential; it is not retried, to avoid locking the account.";
constexpr std::string_view busy_remedy = "Another task holds the machine; it is waited for.";
constexpr std::string_view state_remedy = "The machine's state has changed; look at it in vCenter and repeat.";
constexpr std::string_view datastore_remedy = "Check the machine's files and its datastore in vCenter.";
constexpr std::string_view lock_remedy = "Another process holds the disk file; close other backup products or wait.";
constexpr std::string_view snapshot_remedy = "Remove what vCenter names, then repeat.";
constexpr std::string_view quiesce_remedy = "Repair VMware Tools in the guest, or allow crash-consistent snapshots.";
constexpr std::string_view host_remedy = "The ESXi host does not answer vCenter; it is retried.";
constexpr std::string_view role_remedy = "Add the privilege to the role of the vCenter account.";
constexpr std::string_view licence_remedy =
    "The licence or version of this ESXi host forbids the operation (free licences are read-only).";

using enum FaultHandling;

constexpr std::array rules{
    FaultRule{"InvalidLogin", ErrorCode::unauthenticated, permanent, login_remedy},
    FaultRule{"PasswordExpired", ErrorCode::unauthenticated, permanent, "Set a new password for the vCenter account."},
    FaultRule{"NotAuthenticated", ErrorCode::unauthenticated, log_in_again, "The session ended; a new one is opened."},
    FaultRule{"NoPermission", ErrorCode::forbidden, permanent, role_remedy},
    FaultRule{"RestrictedVersion", ErrorCode::forbidden, permanent, licence_remedy},
    FaultRule{"ManagedObjectNotFound", ErrorCode::not_found, resolve_again, "The object is gone; discover again."},
    FaultRule{"InvalidProperty", ErrorCode::internal, permanent,
              "This vCenter version does not know a property; report it."},
    FaultRule{"InvalidArgument", ErrorCode::invalid, permanent, ""},
    FaultRule{"TaskInProgress", ErrorCode::unavailable, wait_and_retry, busy_remedy},
    FaultRule{"InvalidState", ErrorCode::conflict, read_state_again, state_remedy},
    FaultRule{"InvalidPowerState", ErrorCode::conflict, read_state_again, state_remedy},
    FaultRule{"ConcurrentAccess", ErrorCode::conflict, read_state_again, state_remedy},
    FaultRule{"FileFault", ErrorCode::external, permanent, datastore_remedy},
    FaultRule{"FileLocked", ErrorCode::unavailable, wait_and_retry, lock_remedy},
    FaultRule{"FileNotFound", ErrorCode::external, permanent, datastore_remedy},
    FaultRule{"CannotAccessFile", ErrorCode::external, permanent, datastore_remedy},
    FaultRule{"NoDiskSpace", ErrorCode::exhausted, permanent, "Free space on the datastore."},
    FaultRule{"SnapshotFault", ErrorCode::conflict, permanent, snapshot_remedy},
    FaultRule{"ApplicationQuiesceFault", ErrorCode::conflict, without_quiescing, quiesce_remedy},
    FaultRule{"FilesystemQuiesceFault", ErrorCode::conflict, without_quiescing, quiesce_remedy},
    FaultRule{"SnapshotIncompatibleDeviceInVm", ErrorCode::conflict, permanent, snapshot_remedy},
    FaultRule{"SnapshotLocked", ErrorCode::conflict, permanent, snapshot_remedy},
    FaultRule{"SnapshotDisabled", ErrorCode::conflict, permanent, snapshot_remedy},
    FaultRule{"TooManySnapshotLevels", ErrorCode::conflict, permanent, snapshot_remedy},
    FaultRule{"MemorySnapshotOnIndependentDisk", ErrorCode::conflict, permanent, snapshot_remedy},
    FaultRule{"MultipleSnapshotsNotSupported", ErrorCode::conflict, permanent, snapshot_remedy},
    FaultRule{"ToolsUnavailable", ErrorCode::conflict, permanent,
              "VMware Tools do not run: start them, or allow a hard power-off."},
    FaultRule{"HostCommunication", ErrorCode::unavailable, wait_and_retry, host_remedy},
    FaultRule{"HostNotConnected", ErrorCode::unavailable, wait_and_retry, host_remedy},
    FaultRule{"HostNotReachable", ErrorCode::unavailable, wait_and_retry, host_remedy},
    FaultRule{"Timedout", ErrorCode::timeout, wait_and_retry, host_remedy},
    FaultRule{"MethodDisabled", ErrorCode::conflict, permanent,
              "Another product has locked the operation for this machine; end its job or release the lock in vCenter."},
    FaultRule{"NotSupported", ErrorCode::conflict, permanent,
              "The server does not allow this for the object (a template?)."},
    FaultRule{"MethodNotFound", ErrorCode::external, permanent, "The server is too old for this operation."},
    FaultRule{"RequestCanceled", ErrorCode::external, collect_again, ""},
    FaultRule{"InvalidCollectorVersion", ErrorCode::external, collect_again, ""},
};

constexpr FaultRule unknown_fault{"", ErrorCode::external, permanent, ""};

}  // namespace

const FaultRule& rule_for(std::string_view type) {
    const auto* found =
        std::find_if(rules.begin(), rules.end(), [&](const FaultRule& rule) { return rule.type == type; });
    return found == rules.end() ? unknown_fault : *found;
}

Error to_error(const Fault& fault, std::string_view operation) {
    const auto& rule = rule_for(fault.type);
    std::string cause = std::string(operation) + ": vCenter answers " + fault.type;
    if (!fault.message.empty()) {
        cause += ": " + fault.message;
    }
    if (!fault.privilege.empty()) {
        cause += " (missing privilege " + fault.privilege + (fault.object ? " on " + fault.object.id : "") + ")";
    } else if (!fault.invalid_property.empty()) {
        cause += " (" + fault.invalid_property + ")";
    } else if (fault.object) {
        cause += " (" + fault.object.type + " " + fault.object.id + ")";
    }
    return Error(rule.code, cause, {.remedy = std::string(rule.remedy), .retry_safe = rule.handling != permanent})
        .with_native(fault.type);
}

FaultHandling handling_of(const Error& error) {
    const auto& rule = rule_for(error.native());
    if (rule.type.empty() && error.retryable()) {
        return wait_and_retry;
    }
    return rule.handling;
}

}  // namespace mk::vsphere

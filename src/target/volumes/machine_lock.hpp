#pragma once
// Attaching, detaching and discarding at one machine happen one after the other: CloudStack queues them anyway, and
// time limits must count from their turn (cloudstack.md section 3).

#include <chrono>

#include "model/ids.hpp"
#include "target/volumes/key_locks.hpp"

namespace mk::volumes {

/// Throws Error{conflict} after an hour: an attach may copy a volume between pools.
inline KeyLocks::Lease lock_machine(KeyLocks& locks, const CloudMachineId& machine, const std::stop_token& stop) {
    return locks.acquire("machine " + machine.value, std::chrono::hours{1}, stop);
}

}  // namespace mk::volumes

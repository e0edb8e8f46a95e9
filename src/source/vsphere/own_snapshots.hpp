#pragma once
// Snapshots of ours wherever they are in a vCenter, and their removal one by one: for what no job removes any more.

#include <stop_token>
#include <string>
#include <vector>

#include "source/vsphere/session.hpp"
#include "source/vsphere/vsphere.hpp"

namespace mk::vsphere {

/// Of all machines that the account sees, by the prefix of the name. One retrieval, however many machines there are.
std::vector<FoundSnapshot> find_own_snapshots(Session& session, const std::stop_token& stop);

/// Until it is gone and the disks are consolidated; a creation still under way is waited for. No error when snapshot or
/// machine are gone already. Error{forbidden} when it does not carry our mark: nothing is done then.
void remove_own_snapshot(Session& session, const Moref& vm, const std::string& snapshot, const std::stop_token& stop);

}  // namespace mk::vsphere

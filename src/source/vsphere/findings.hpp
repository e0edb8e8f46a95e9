#pragma once
// What an operator must know about a machine before it is replicated: blockers, warnings, notes (vsphere.md sections 3,
// 5, 6). Pure.

#include <string>
#include <vector>

#include "model/source_machine.hpp"
#include "source/vsphere/inventory_names.hpp"
#include "source/vsphere/machine_facts.hpp"

namespace mk::vsphere {

/// What the reader that will be used can read.
struct ReaderLimits {
    /// /folder serves base "-flat.vmdk" files only: no snapshot chains, no objects of vSAN and VVol, no raw mappings.
    bool only_base_files = true;
};

/// Blockers first. An empty list is a machine that can be replicated without remarks.
std::vector<Finding> judge(const MachineFacts& facts, const InventoryNames& names, const ReaderLimits& limits);

/// Facts, names and verdict as the rest of the product sees them.
SourceMachine to_source_machine(const MachineFacts& facts, const InventoryNames& names, const std::string& vcenter_uuid,
                                const ReaderLimits& limits);

}  // namespace mk::vsphere

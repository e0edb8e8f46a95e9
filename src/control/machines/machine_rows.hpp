#pragma once
// Rows of vm_contexts and vm_disks <-> nouns. Private to this folder.

#include <string>

#include "control/machines/machine.hpp"
#include "db/database.hpp"

namespace mk::machines {

extern const char* const machine_columns;
extern const char* const disk_columns;

Machine machine_from(const db::Row& row);
MachineDisk disk_from(const db::Row& row);
/// Adds rows for new disks and updates the known ones, in source order.
void save_disks(db::Session& session, const VmContextId& id, const SourceMachine& source, const DiskId& boot_disk);
std::string specification_text(const SourceMachine& source);
/// "ctx-<vm>-YYYYMMDD-HHMMSS" (Q1); a number is appended by the caller when that is taken.
std::string context_id_for(const std::string& vm_name, Instant now);

}  // namespace mk::machines

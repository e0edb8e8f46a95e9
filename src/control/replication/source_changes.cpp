#include "control/replication/source_changes.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace mk::replication {

namespace {

std::string describe(const machines::MachineDisk& known, const SourceDisk& now, bool full) {
    if (now.capacity < known.capacity) {
        return known.disk_id.value + " shrank from " + std::to_string(known.capacity) + " to " +
               std::to_string(now.capacity) + " bytes";
    }
    if (full) {
        return {};
    }
    if (now.backing_uuid != known.backing_uuid) {
        return known.disk_id.value + " was replaced by another disk";
    }
    if (now.capacity > known.capacity) {
        return known.disk_id.value + " grew from " + format_bytes(known.capacity) + " to " + format_bytes(now.capacity);
    }
    return {};
}

}  // namespace

void require_unchanged_disks(const std::vector<machines::MachineDisk>& known, const SourceMachine& now, bool full) {
    std::vector<std::string> changes;
    for (const auto& disk : known) {
        const auto found =
            std::find_if(now.disks.begin(), now.disks.end(), [&](const SourceDisk& d) { return d.id == disk.disk_id; });
        const auto change =
            found == now.disks.end() ? disk.disk_id.value + " was removed" : describe(disk, *found, full);
        if (!change.empty()) {
            changes.push_back(change);
        }
    }
    for (const auto& disk : now.disks) {
        const bool is_known =
            std::any_of(known.begin(), known.end(), [&](const auto& k) { return k.disk_id == disk.id; });
        if (!is_known && !full) {
            changes.push_back(disk.id.value + " was added");
        }
    }
    if (changes.empty()) {
        return;
    }
    std::string text;
    for (const auto& change : changes) {
        text += (text.empty() ? "" : "; ") + change;
    }
    throw Error(
        ErrorCode::conflict, "the disks of " + now.name + " changed at the source: " + text,
        {.consequence = "Nothing was sent; the last recovery point is unchanged.",
         .remedy = full ? "Remove the machine from management and add it again: its copy cannot follow this change."
                        : "Copy it anew with: migratekit sync start " + now.name + " --full",
         .retry_safe = true})
        .with_native("SourceChanged");
}

}  // namespace mk::replication

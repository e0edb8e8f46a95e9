#include "source/vsphere/findings.hpp"

#include <algorithm>
#include <cctype>

namespace mk::vsphere {
namespace {

constexpr int first_version_with_tracking = 7;

class Judge {
  public:
    Judge(const MachineFacts& facts, const InventoryNames& names, const ReaderLimits& limits)
        : facts_(facts), names_(names), limits_(limits) {}

    std::vector<Finding> run() {
        judge_state();
        judge_tracking();
        for (const auto& disk : facts_.hardware.disks) {
            judge_disk(disk);
            if (limits_.only_base_files) {
                judge_file(disk);
            }
        }
        judge_snapshots();
        judge_surroundings();
        std::stable_sort(findings_.begin(), findings_.end(),
                         [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
        return std::move(findings_);
    }

  private:
    void add(Severity severity, std::string code, std::string text, std::string remedy) {
        findings_.push_back({severity, std::move(code), std::move(text), std::move(remedy)});
    }
    void block(std::string code, std::string text, std::string remedy) {
        add(Severity::blocker, std::move(code), std::move(text), std::move(remedy));
    }

    void judge_state();
    void judge_tracking();
    void judge_disk(const DiskDevice& disk);
    void judge_file(const DiskDevice& disk);
    void judge_snapshots();
    void judge_surroundings();
    std::string foreign_snapshot_names() const;
    bool has_any_snapshot() const { return !facts_.snapshots.empty(); }

    const MachineFacts& facts_;
    const InventoryNames& names_;
    const ReaderLimits& limits_;
    std::vector<Finding> findings_;
};

std::string named(const DiskDevice& disk) {
    return (disk.label.empty() ? "disk " + std::to_string(disk.key) : disk.label);
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

void Judge::judge_state() {
    if (facts_.connection_state != "connected") {
        block("not_connected",
              "The machine is " + (facts_.connection_state.empty() ? "in an unknown state" : facts_.connection_state) +
                  " in vCenter.",
              "Bring its host back, or register the machine again.");
    }
    for (const auto& privilege : facts_.refused_privileges) {
        block("no_permission", "The vCenter account may not read the machine (" + privilege + ").",
              "Give the account's role this privilege on the machine.");
    }
    if (facts_.is_template) {
        block("template", "This is a template.", "Convert it to a virtual machine.");
    }
    if (facts_.power_state == "suspended") {
        block("suspended", "The machine is suspended: a snapshot would carry its memory.",
              "Resume it or power it off.");
    }
    if (facts_.has_config && facts_.hardware.disks.empty()) {
        block("no_disks", "The machine has no disks.", "There is nothing to replicate.");
    }
    if (facts_.is_encrypted) {
        block("encrypted", "The machine is encrypted.", "Decrypt it in vCenter; encrypted machines cannot be read.");
    }
    if (facts_.hardware.has_class("VirtualNVDIMM")) {
        block("nvdimm", "The machine has a persistent memory module, which no snapshot contains.",
              "Remove the NVDIMM.");
    }
}

void Judge::judge_tracking() {
    if (!facts_.has_config) {
        return;
    }
    const bool is_too_old = facts_.hardware_version != 0 && facts_.hardware_version < first_version_with_tracking;
    if (is_too_old) {
        block("hardware_version",
              "Virtual hardware version " + std::to_string(facts_.hardware_version) +
                  " has no changed block tracking (7 or newer is needed).",
              "Upgrade the machine's virtual hardware.");
    } else if (!facts_.tracking_supported) {
        block("no_change_tracking", "The machine does not support changed block tracking.",
              "Upgrade its virtual hardware or move it to a host that supports it.");
    } else if (!facts_.tracking_enabled) {
        add(Severity::note, "change_tracking_off", "Changed block tracking is off; the first sync switches it on.", "");
    } else if (!facts_.tracking_off_disks.empty()) {
        add(Severity::warning, "disk_tracking_disabled",
            "Changed block tracking is switched off for " + *facts_.tracking_off_disks.begin() +
                (facts_.tracking_off_disks.size() > 1 ? " and others" : "") +
                ": these disks are always copied in full.",
            "Remove the ctkEnabled=false settings from the machine's advanced configuration.");
    }
}

void Judge::judge_disk(const DiskDevice& disk) {
    const auto* controller = facts_.hardware.controller_of(disk);
    // A mapping in physical mode is always independent: one reason is enough.
    const bool is_physical_mapping = disk.is_raw_mapping() && disk.compatibility != "virtualMode";
    if (disk.is_independent() && !is_physical_mapping) {
        block("independent_disk", named(disk) + " is independent (" + disk.disk_mode + "): no snapshot contains it.",
              "Change its mode to dependent while the machine is off.");
    }
    if (is_physical_mapping) {
        block("physical_rdm", named(disk) + " is a raw device mapping in physical mode: no snapshot contains it.",
              "Change the mapping to virtual mode or move the data to a virtual disk.");
    }
    if (disk.is_raw_device()) {
        block("raw_device", named(disk) + " is a raw device.", "Move the data to a virtual disk.");
    }
    const bool is_multi_writer = !disk.sharing.empty() && disk.sharing != "sharingNone";
    if (is_multi_writer || (controller != nullptr && controller->is_shared)) {
        block("shared_disk",
              named(disk) + " is shared with other machines: its content at one instant is unknown to a snapshot.",
              "Stop sharing the disk or the controller's bus.");
    }
    if (disk.is_encrypted && !facts_.is_encrypted) {
        block("encrypted", named(disk) + " is encrypted.", "Decrypt it in vCenter.");
    }
    if (disk.capacity == 0 || disk.capacity % 512 != 0) {
        block("odd_capacity", named(disk) + " has an unusable size of " + std::to_string(disk.capacity) + " bytes.",
              "Check the disk in vCenter.");
    }
}

void Judge::judge_file(const DiskDevice& disk) {
    const auto* datastore = names_.find(disk.datastore.id);
    const auto type = datastore == nullptr ? std::string{} : lower(datastore->datastore_type);
    if (type == "vsan" || type == "vvol" || type == "pmem") {
        block("datastore_without_files",
              named(disk) + " lies on a " + datastore->datastore_type +
                  " datastore, which has no files to read over HTTPS.",
              "Install VDDK on the appliance, or move the disk to VMFS or NFS.");
    }
    if (disk.is_raw_mapping() && disk.compatibility == "virtualMode") {
        block("virtual_rdm", named(disk) + " is a raw device mapping, which cannot be read over HTTPS.",
              "Install VDDK on the appliance, or move the data to a virtual disk.");
    }
    const bool is_link = disk.has_delta_name() || disk.has_parent;
    if (!is_link && !disk.is_flat() && !disk.is_raw_mapping() && !disk.is_raw_device()) {
        block("sparse_disk",
              named(disk) + " is stored in a sparse format (" + disk.backing + "), which has no flat file to read.",
              "Install VDDK on the appliance, or convert the disk.");
    }
    if (is_link && !has_any_snapshot() && !facts_.consolidation_needed) {
        block(
            "delta_base",
            named(disk) + " is " + disk.file_name +
                ": a link over another file although the machine has no snapshot (a linked clone, or a broken chain).",
            "Consolidate or clone the machine, or install VDDK on the appliance.");
    }
}

std::string Judge::foreign_snapshot_names() const {
    std::string list;
    for (const auto& snapshot : facts_.snapshots) {
        if (!is_ours(snapshot)) {
            list += (list.empty() ? "'" : ", '") + snapshot.name + "'";
        }
    }
    return list;
}

void Judge::judge_snapshots() {
    const auto foreign = foreign_snapshot_names();
    if (facts_.consolidation_needed) {
        add(Severity::warning, "consolidation_needed",
            "The machine's disks need consolidation; the next sync does it first.", "");
    }
    if (foreign.empty()) {
        return;
    }
    if (!facts_.tracking_enabled) {
        block("foreign_snapshot_without_cbt",
              "The machine has snapshots (" + foreign +
                  ") and changed block tracking is off: switched on now it could miss changes.",
              "Delete the snapshots; tracking is then switched on with the first sync.");
    } else if (limits_.only_base_files) {
        block("foreign_snapshot",
              "The machine has snapshots (" + foreign + "): over HTTPS only the base disks below them can be read.",
              "Delete the snapshots, or install VDDK on the appliance.");
    } else {
        add(Severity::warning, "foreign_snapshot", "The machine has snapshots of somebody else (" + foreign + ").",
            "Delete them if nobody needs them: they slow the machine and its syncs.");
    }
}

void Judge::judge_surroundings() {
    if (facts_.power_state == "poweredOn" && !facts_.tools_running) {
        add(Severity::warning, "tools_absent",
            "VMware Tools do not run: the machine can be neither quiesced nor shut down cleanly for a live failover.",
            "Install or start VMware Tools.");
    }
    if (const auto* host = names_.find(facts_.host); host != nullptr && host->in_maintenance) {
        add(Severity::warning, "host_in_maintenance",
            "The host " + names_.name_of(facts_.host) + " is in maintenance mode.", "");
    }
    if (facts_.hardware.has_class("VirtualTPM")) {
        add(Severity::warning, "virtual_tpm", "The machine has a virtual TPM, whose content does not move.",
            "Have recovery keys at hand (BitLocker).");
    }
    if (facts_.hardware.has_class("PCIPassthrough") || facts_.hardware.has_class("Sriov")) {
        add(Severity::warning, "passthrough_device", "The machine uses a passed-through device, which does not move.",
            "");
    }
    if (facts_.secure_boot) {
        add(Severity::note, "secure_boot", "The machine boots with Secure Boot.", "");
    }
    if (facts_.power_state == "poweredOff") {
        add(Severity::note, "powered_off", "The machine is powered off; it can be replicated as it is.", "");
    }
}

}  // namespace

std::vector<Finding> judge(const MachineFacts& facts, const InventoryNames& names, const ReaderLimits& limits) {
    return Judge(facts, names, limits).run();
}

}  // namespace mk::vsphere

#include "guest_preparation.hpp"

#include <filesystem>

#include "target/guest/inspection.hpp"
#include "target/guest/installed.hpp"
#include "target/guest/run_folder.hpp"
#include "target/guest/virt_v2v.hpp"

namespace mk::oma {

namespace {

bool is_true(const Config& config, const std::string& key, bool fallback) {
    const auto text = config.get(key, fallback ? "true" : "false");
    if (text != "true" && text != "false") {
        throw Error(ErrorCode::invalid, key + " must be true or false, not '" + text + "'");
    }
    return text == "true";
}

std::string beside_us(const std::string& program) {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / program).string();
}

}  // namespace

const std::set<std::string>& guest_keys() {
    static const std::set<std::string> keys = {"guest.virtio_win",    "guest.virt_tools",
                                               "guest.inspector",     "guest.force_emulation",
                                               "guest.limit_minutes", "guest.inspection_limit_seconds",
                                               "guest.memory_mib",    "guest.log_kib",
                                               "guest.work_folder",   "guest.cache_folder"};
    return keys;
}

guest::Tools guest_tools(const Config& config) {
    guest::Tools tools;
    tools.inspector = config.get("guest.inspector", beside_us("migratekit-inspect"));
    tools.virtio_win = config.get("guest.virtio_win", tools.virtio_win);
    tools.virt_tools = config.get("guest.virt_tools", tools.virt_tools);
    tools.force_emulation = is_true(config, "guest.force_emulation", tools.force_emulation);
    tools.work_folder = config.get("guest.work_folder", tools.work_folder);
    tools.cache_folder = config.get("guest.cache_folder", tools.cache_folder);
    tools.limit = std::chrono::minutes{config.number("guest.limit_minutes", tools.limit.count(), 1, 24 * 60)};
    tools.inspection_limit = std::chrono::seconds{
        config.number("guest.inspection_limit_seconds", tools.inspection_limit.count(), 10, 24 * 60 * 60)};
    tools.memory_mib = static_cast<int>(config.number("guest.memory_mib", tools.memory_mib, 256, 64 * 1024));
    tools.log_limit = static_cast<Bytes>(config.number("guest.log_kib", 256, 1, 64 * 1024)) * KiB;
    return tools;
}

VirtV2vPreparation::VirtV2vPreparation(guest::Tools tools) : tools_(std::move(tools)) {
    guest::sweep(tools_.work_folder);
}

void VirtV2vPreparation::check() {
    guest::require_converter(tools_);
    guest::require_inspector(tools_);
}

failover::GuestInspection VirtV2vPreparation::inspect(const std::vector<failover::GuestDisk>& disks,
                                                      const SourceMachine& /*source*/, const std::stop_token& stop) {
    std::vector<std::string> devices;
    for (const auto& disk : disks) {
        devices.push_back(disk.device_path);
    }
    auto seen = guest::inspect(devices, tools_, stop);
    failover::GuestInspection inspection;
    inspection.has_system = !seen.facts.systems.empty();
    if (inspection.has_system) {
        const auto& system = seen.facts.systems.front();
        inspection.family = system.family;
        inspection.product = guest::title_of(system);
        inspection.architecture = system.architecture;
    }
    inspection.boot_disk = guest::boot_disk_of(seen.facts);
    inspection.needs_uefi = guest::needs_uefi(seen.facts);
    inspection.findings = std::move(seen.findings);
    return inspection;
}

failover::Preparation VirtV2vPreparation::prepare(const std::vector<failover::GuestDisk>& disks,
                                                  const SourceMachine& source, const failover::Report& log,
                                                  const std::stop_token& stop) {
    guest::Conversion conversion;
    conversion.guest_name = source.name;
    conversion.uefi = source.firmware == "uefi" || source.firmware == "efi";
    conversion.memory_mb = source.memory_mb;
    conversion.cpus = source.cpus;
    for (const auto& disk : disks) {
        conversion.disks.push_back({.device_path = disk.device_path, .bus = disk.source_bus});
    }
    const auto outcome = guest::convert(conversion, tools_, log, stop);
    for (const auto& warning : outcome.warnings) {
        log("virt-v2v warns: " + warning);
    }
    return {.ready = outcome.drivers_present, .needs_uefi = outcome.needs_uefi, .text = outcome.text};
}

}  // namespace mk::oma

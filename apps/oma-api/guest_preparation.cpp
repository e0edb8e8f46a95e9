#include "guest_preparation.hpp"

namespace mk::oma {

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

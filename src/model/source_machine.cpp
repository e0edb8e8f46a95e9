#include "model/source_machine.hpp"

#include <algorithm>
#include <tuple>

#include "model/words.hpp"

namespace mk {

namespace {

constexpr words::Table<Severity, 3> severities{{
    {Severity::note, "note"},
    {Severity::warning, "warning"},
    {Severity::blocker, "blocker"},
}};

}  // namespace

std::string_view to_string(Severity severity) {
    return words::word_of(severities, severity);
}
Severity severity_from(std::string_view word) {
    return words::value_of(severities, word, "severity");
}

bool SourceMachine::is_replicable() const {
    return !disks.empty() && std::none_of(findings.begin(), findings.end(),
                                          [](const Finding& finding) { return finding.severity == Severity::blocker; });
}

DiskId boot_disk_of(const SourceMachine& machine) {
    if (machine.disks.empty()) {
        throw Error(ErrorCode::invalid, "machine '" + machine.name + "' has no disks");
    }
    for (const DiskId& wanted : machine.boot_order) {
        const bool exists = std::any_of(machine.disks.begin(), machine.disks.end(),
                                        [&](const SourceDisk& disk) { return disk.id == wanted; });
        if (exists) {
            return wanted;
        }
    }
    const auto first =
        std::min_element(machine.disks.begin(), machine.disks.end(), [](const SourceDisk& a, const SourceDisk& b) {
            return std::tie(a.bus_number, a.unit_number) < std::tie(b.bus_number, b.unit_number);
        });
    return first->id;
}

}  // namespace mk

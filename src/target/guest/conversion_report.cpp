#include "target/guest/conversion_report.hpp"

#include <array>
#include <sstream>
#include <string_view>

#include "base/json_fields.hpp"

namespace mk::guest {

namespace {

struct Message {
    std::string type;
    std::string text;
};

std::vector<Message> messages_of(const std::string& report) {
    std::vector<Message> messages;
    std::istringstream lines(report);
    for (std::string line; std::getline(lines, line);) {
        try {
            const auto object = json::parse(line);
            messages.push_back(
                {json::value_or<std::string>(object, "type", ""), json::value_or<std::string>(object, "message", "")});
        } catch (const Error&) {
            // virt-v2v may be cut off in the middle of its last line; what came before still counts.
            continue;
        }
    }
    return messages;
}

struct KnownFailure {
    std::string_view text;   ///< what to find in virt-v2v's message
    std::string_view cause;  ///< the same for an operator
    std::string_view remedy;
    ErrorCode code;
};

// The table of the reference "Driver injection", right column, and its neighbours: texts of virt-v2v 2.2.0.
constexpr std::array known_failures = {
    KnownFailure{"No root device found", "no operating system was found on the disks",
                 "Check that all disks are replicated and which one the source boots from.", ErrorCode::conflict},
    KnownFailure{"Inspection field 'i_distro' was 'unknown'", "this Linux distribution is not known to virt-v2v",
                 "Install the VirtIO drivers in the source by hand, then replicate again.", ErrorCode::conflict},
    KnownFailure{"unable to convert this guest type", "virt-v2v cannot convert this kind of system",
                 "Install the VirtIO drivers in the source by hand, then replicate again.", ErrorCode::conflict},
    KnownFailure{"could not find bootloader mount point", "the EFI system partition is not mounted by the guest",
                 "The EFI system partition must be in /etc/fstab of the source (/boot/efi).", ErrorCode::conflict},
    KnownFailure{"could not read key from user", "a disk is encrypted",
                 "It cannot be converted: install the VirtIO drivers in the source by hand, then replicate again.",
                 ErrorCode::conflict},
    KnownFailure{"could not find key to open LUKS", "a disk is encrypted",
                 "It cannot be converted: install the VirtIO drivers in the source by hand, then replicate again.",
                 ErrorCode::conflict},
    KnownFailure{"filesystem was mounted read-only", "Windows is hibernated, or was shut down with fast start",
                 "Switch fast start off (powercfg /h off), shut the source down fully, then replicate again.",
                 ErrorCode::conflict},
    KnownFailure{"unable to mount the disk image for writing",
                 "Windows is hibernated, or was shut down with fast start",
                 "Switch fast start off (powercfg /h off), shut the source down fully, then replicate again.",
                 ErrorCode::conflict},
    KnownFailure{"not enough free space for conversion", "a file system of the guest is too full",
                 "Free some space in the source's file system, then replicate again.", ErrorCode::exhausted},
    KnownFailure{"not enough available inodes for conversion", "a file system of the guest has no inodes left",
                 "Remove some files in the source, then replicate again.", ErrorCode::exhausted},
    KnownFailure{"insufficient free space in the conversion server temporary directory",
                 "the appliance has too little free space", "Free 1 GiB in guest.work_folder, then try again.",
                 ErrorCode::exhausted},
    KnownFailure{"can't read superblock", "the appliance cannot write to a volume",
                 "Look at the appliance's kernel log, and whether the volume is attached read-only.",
                 ErrorCode::external},
    KnownFailure{"access: No such file or directory", "a disk of the guest is not there",
                 "Check that all volumes of the machine are attached to the appliance, then try again.",
                 ErrorCode::unavailable},
    KnownFailure{"nbdkit did not start up", "virt-v2v could not open a disk of the guest",
                 "Read nbdkit's words in the job's log; check that all volumes of the machine are attached to the "
                 "appliance, and the length of guest.work_folder.",
                 ErrorCode::unavailable},
    KnownFailure{"rhsrvany.exe or pvvxsvc.exe is missing", "the appliance lacks a program that Windows guests need",
                 "Put rhsrvany.exe into guest.virt_tools (operator's guide, Guest tools), then try again.",
                 ErrorCode::unavailable},
    KnownFailure{"cannot open virtio-win ISO file", "the ISO with the Windows drivers cannot be read",
                 "Check guest.virtio_win, then try again.", ErrorCode::unavailable},
    KnownFailure{"appliance closed the connection unexpectedly", "the appliance of libguestfs ended unexpectedly",
                 "It has too little memory, or KVM does not work on this host: see guest.memory_mib and "
                 "guest.force_emulation, then try again.",
                 ErrorCode::unavailable},
    KnownFailure{"killed by signal 9", "the appliance of libguestfs was killed",
                 "The host has too little free memory: give it more, then try again.", ErrorCode::unavailable},
};

struct KnownWarning {
    std::string_view text;
    std::string_view remedy;
};

// What leaves a guest without drivers although virt-v2v ends with 0.
constexpr std::array known_warnings = {
    KnownWarning{"there are no virtio drivers available for this version of Windows",
                 "Put the drivers of this Windows version into guest.virtio_win on the appliance."},
    KnownWarning{"there is no virtio block device driver for this version of Windows",
                 "Put viostor of this Windows version into guest.virtio_win on the appliance."},
};

/// virt-v2v quotes what the guest's own programs said: it can be long.
constexpr std::size_t longest_quote = 1000;

constexpr std::string_view has_drivers = "This guest has virtio drivers installed";
constexpr std::string_view lacks_drivers = "This guest does not have virtio drivers installed";
constexpr std::string_view needs_uefi = "This guest requires UEFI on the target to boot";

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string last_line(const std::string& output) {
    const auto end = output.find_last_not_of("\r\n ");
    if (end == std::string::npos) {
        return {};
    }
    const auto start = output.find_last_of('\n', end);
    return output.substr(start == std::string::npos ? 0 : start + 1,
                         end - (start == std::string::npos ? 0 : start + 1) + 1);
}

std::string quote(std::string text) {
    if (text.size() > longest_quote) {
        text.resize(longest_quote);
        text += " ...";
    }
    return text;
}

std::string text_without_drivers(const Outcome& outcome, const std::string& error) {
    std::string text = "virt-v2v could not give the guest VirtIO drivers.";
    const auto said = !error.empty() ? error : outcome.warnings.empty() ? std::string{} : outcome.warnings.back();
    for (const auto& warning : outcome.warnings) {
        for (const auto& known : known_warnings) {
            if (contains(warning, known.text)) {
                return text + " It said: " + warning + " " + std::string(known.remedy);
            }
        }
    }
    return said.empty() ? text : text + " It said: " + said;
}

}  // namespace

Outcome outcome_of(const std::string& report) {
    Outcome outcome;
    std::string error;
    for (const auto& message : messages_of(report)) {
        if (contains(message.text, lacks_drivers)) {
            outcome.drivers_present = false;
        } else if (contains(message.text, has_drivers)) {
            outcome.drivers_present = true;
        }
        outcome.needs_uefi = outcome.needs_uefi || contains(message.text, needs_uefi);
        if (message.type == "warning") {
            outcome.warnings.push_back(quote(message.text));
        } else if (message.type == "error") {
            error = quote(message.text);
        }
    }
    outcome.drivers_present = outcome.drivers_present && error.empty();
    outcome.text = outcome.drivers_present ? "The guest has VirtIO drivers." : text_without_drivers(outcome, error);
    return outcome;
}

Error failure_of(int exit_code, const std::string& report, const std::string& output) {
    std::string said;
    for (const auto& message : messages_of(report)) {
        if (message.type == "error") {
            said = message.text;
        }
    }
    if (said.empty()) {
        said = last_line(output);
    }
    Advice advice = {.consequence = "The copy is protected by its snapshots.", .remedy = {}, .retry_safe = true};
    for (const auto& known : known_failures) {
        if (contains(said, known.text) || contains(output, known.text)) {
            advice.remedy = std::string(known.remedy);
            return Error(known.code, std::string(known.cause) + " (virt-v2v: " + quote(said) + ")", advice)
                .with_native(std::to_string(exit_code));
        }
    }
    advice.remedy = "Read the job's log for virt-v2v's own words.";
    return Error(ErrorCode::external, "virt-v2v ended with code " + std::to_string(exit_code) + ": " + quote(said),
                 advice)
        .with_native(std::to_string(exit_code));
}

}  // namespace mk::guest

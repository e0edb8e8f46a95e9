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
    std::string_view text;  ///< what to find in the message
    std::string_view remedy;
    ErrorCode code;
};

// The table of the reference "Driver injection", right column: texts of virt-v2v 2.2.0.
constexpr std::array known_failures = {
    KnownFailure{"No root device found",
                 "The disks hold no operating system that can be recognised. Check which disk boots.",
                 ErrorCode::conflict},
    KnownFailure{"Inspection field 'i_distro' was 'unknown'",
                 "This distribution is not known to virt-v2v: install the VirtIO drivers in the source by hand.",
                 ErrorCode::conflict},
    KnownFailure{"could not find bootloader mount point",
                 "The EFI system partition must be in /etc/fstab of the source (/boot/efi).", ErrorCode::conflict},
    KnownFailure{"could not read key from user", "The disk is encrypted; it cannot be converted.", ErrorCode::conflict},
    KnownFailure{"filesystem was mounted read-only",
                 "Windows is hibernated or uses fast start: shut the source down fully, then replicate again.",
                 ErrorCode::conflict},
    KnownFailure{"not enough free space for conversion",
                 "Free some space in the source's file system, then replicate again.", ErrorCode::exhausted},
    KnownFailure{"can't read superblock", "The appliance cannot write to the volume. Look at its log.",
                 ErrorCode::external},
    KnownFailure{"rhsrvany.exe or pvvxsvc.exe is missing",
                 "Install rhsrvany on the appliance (see the operator's guide, Windows).", ErrorCode::unavailable},
    KnownFailure{"appliance closed the connection unexpectedly",
                 "The libguestfs appliance could not run: too little memory, or KVM does not work on this host.",
                 ErrorCode::unavailable},
};

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

}  // namespace

Outcome outcome_of(const std::string& report) {
    Outcome outcome;
    for (const auto& message : messages_of(report)) {
        if (contains(message.text, lacks_drivers)) {
            outcome.drivers_present = false;
        } else if (contains(message.text, has_drivers)) {
            outcome.drivers_present = true;
        }
        outcome.needs_uefi = outcome.needs_uefi || contains(message.text, needs_uefi);
        if (message.type == "warning") {
            outcome.warnings.push_back(message.text);
        }
    }
    outcome.text =
        outcome.drivers_present ? "The guest has VirtIO drivers." : "virt-v2v could not give the guest VirtIO drivers.";
    if (!outcome.drivers_present && !outcome.warnings.empty()) {
        outcome.text += " It said: " + outcome.warnings.back();
    }
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
    const Advice untouched = {
        .consequence = "The copy is protected by its snapshots.", .remedy = {}, .retry_safe = true};
    for (const auto& known : known_failures) {
        if (contains(said, known.text) || contains(output, known.text)) {
            auto advice = untouched;
            advice.remedy = std::string(known.remedy);
            return Error(known.code, "virt-v2v: " + said, advice).with_native(std::to_string(exit_code));
        }
    }
    auto advice = untouched;
    advice.remedy = "Read the job's log for virt-v2v's own words.";
    return Error(ErrorCode::external, "virt-v2v ended with code " + std::to_string(exit_code) + ": " + said, advice)
        .with_native(std::to_string(exit_code));
}

}  // namespace mk::guest

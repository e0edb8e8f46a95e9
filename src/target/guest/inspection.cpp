#include "target/guest/inspection.hpp"

#include <filesystem>
#include <system_error>

#include "base/clock.hpp"
#include "base/json_fields.hpp"
#include "target/guest/findings.hpp"
#include "target/guest/installed.hpp"
#include "target/guest/limited_run.hpp"

namespace mk::guest {

namespace {

/// A guest with hundreds of disks and file systems stays far below it.
constexpr Bytes longest_answer = MiB;

const Advice nothing_changed = {.consequence = "Nothing was changed.", .remedy = {}, .retry_safe = true};

Advice advised(std::string remedy) {
    auto advice = nothing_changed;
    advice.remedy = std::move(remedy);
    return advice;
}

LimitedCommand command_for(const std::vector<std::string>& devices, const Tools& tools) {
    LimitedCommand command;
    command.argv = {tools.inspector, "--memory-mib", std::to_string(tools.memory_mib)};
    const auto virtio_win = virtio_win_of(tools);
    std::error_code ignored;
    if (std::filesystem::is_regular_file(virtio_win, ignored)) {
        command.argv.insert(command.argv.end(), {"--virtio-win-iso", virtio_win});
    }
    command.argv.emplace_back("--");
    command.argv.insert(command.argv.end(), devices.begin(), devices.end());
    command.time = tools.inspection_limit;
    command.appliance_mib = tools.memory_mib;
    command.output_limit = longest_answer;
    return command;
}

/// What it said last on stderr.
std::string words_of(const os::Exit& exit) {
    const auto end = exit.output.find_last_not_of("\r\n ");
    if (end == std::string::npos) {
        return exit.signal != 0 ? "it was ended by signal " + std::to_string(exit.signal) : "it said nothing";
    }
    const auto start = exit.output.find_last_of('\n', end);
    return exit.output.substr(start == std::string::npos ? 0 : start + 1, end - start);
}

void require_success(const LimitedExit& run, const Tools& tools) {
    const auto& exit = run.exit;
    if (run.said_too_much) {
        throw Error(ErrorCode::corrupt, "the inspection of the guest's disks said more than it can mean",
                    advised("Look at the guest's disks by hand: virt-inspector -a DEVICE"));
    }
    if (exit.timed_out) {
        throw Error(ErrorCode::timeout,
                    "the guest's disks could not be inspected within " + format_duration(tools.inspection_limit),
                    advised("Try again when the appliance is less busy, or raise guest.inspection_limit_seconds."));
    }
    if (exit.stopped) {
        throw Error(ErrorCode::cancelled, "the inspection of the guest's disks was stopped", nothing_changed);
    }
    const auto words = words_of(exit);
    switch (exit.code) {
        case static_cast<int>(InspectorExit::inspected):
            return;
        case static_cast<int>(InspectorExit::disk_not_opened):
            throw Error(ErrorCode::external, "a disk of the guest cannot be opened: " + words,
                        advised("Check that its volume is attached to the appliance."));
        case static_cast<int>(InspectorExit::appliance_not_started):
            throw Error(ErrorCode::unavailable, "libguestfs could not start its appliance: " + words,
                        advised("Check free memory, and that KVM works here; otherwise set guest.force_emulation. "
                                "libguestfs-test-tool tells more."));
        default:
            throw Error(ErrorCode::external, "the guest's disks could not be inspected: " + words,
                        advised("Look at the guest's disks by hand: virt-inspector -a DEVICE"))
                .with_native(std::to_string(exit.code));
    }
}

GuestFacts facts_of(const std::string& answer) {
    try {
        return facts_from(json::parse(answer));
    } catch (const Error& error) {
        throw Error(ErrorCode::corrupt, "the answer of the inspection cannot be read: " + error.cause(),
                    advised("Check that migratekit-inspect and oma-api are of the same version."));
    }
}

}  // namespace

Inspection inspect(const std::vector<std::string>& devices, const Tools& tools, const std::stop_token& stop) {
    if (devices.empty()) {
        throw Error(ErrorCode::invalid, "there is no disk to inspect", nothing_changed);
    }
    require_inspector(tools);
    sweep(tools.work_folder);
    std::string answer;
    LimitedExit run;
    {
        const RunFolder folder(tools.work_folder);
        run = run_limited(command_for(devices, tools), tools, folder, stop,
                          [&](const std::string& piece) { answer += piece; }, {});
    }
    require_success(run, tools);
    Inspection inspection;
    inspection.facts = facts_of(answer);
    inspection.findings = findings_of(inspection.facts, windows_support_of(tools, inspection.facts));
    return inspection;
}

}  // namespace mk::guest

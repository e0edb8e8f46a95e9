#include "target/guest/virt_v2v.hpp"

#include <map>

#include <fcntl.h>

#include "os/file.hpp"
#include "target/guest/installed.hpp"
#include "target/guest/limited_run.hpp"

namespace mk::guest {

namespace {

std::string xml_escape(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        switch (c) {
            case '&':
                escaped += "&amp;";
                break;
            case '<':
                escaped += "&lt;";
                break;
            case '>':
                escaped += "&gt;";
                break;
            case '\'':
                escaped += "&apos;";
                break;
            case '"':
                escaped += "&quot;";
                break;
            default:
                escaped += c;
        }
    }
    return escaped;
}

/// sda, sdb ... ; hda for IDE; nvme0n1 for NVMe.
std::string old_device_name(const std::string& bus, int index) {
    if (bus == "nvme") {
        return "nvme" + std::to_string(index) + "n1";
    }
    std::string letters;
    for (int rest = index; rest >= 0; rest = rest / 26 - 1) {
        letters.insert(letters.begin(), static_cast<char>('a' + rest % 26));
    }
    return (bus == "ide" ? "hd" : "sd") + letters;
}

std::string read_if_there(const std::string& path) {
    try {
        return os::read_file(path);
    } catch (const Error&) {
        return {};
    }
}

LimitedCommand command_for(const Tools& tools, const std::string& folder) {
    LimitedCommand command;
    command.argv = {tools.program,
                    "--root",
                    "first",
                    "--machine-readable=file:" + folder + "/report.json",
                    "-i",
                    "libvirtxml",
                    folder + "/guest.xml"};
    // virt-v2v gives its appliance twice the memory that libguestfs is told.
    command.environment = {{"LIBGUESTFS_MEMSIZE", std::to_string(tools.memory_mib)},
                           {"VIRTIO_WIN", virtio_win_of(tools)},
                           {"VIRT_TOOLS_DATA_DIR", tools.virt_tools}};
    command.time = tools.limit;
    command.appliance_mib = 2 * tools.memory_mib;
    command.output_limit = tools.output_limit;
    return command;
}

const Advice snapshots_protect = {.consequence = "The copy is protected by its snapshots.", .remedy = {}};

Advice advised(std::string remedy) {
    auto advice = snapshots_protect;
    advice.remedy = std::move(remedy);
    advice.retry_safe = true;
    return advice;
}

/// virt-v2v waits half a minute for a disk that is not there, and learns late that it cannot write to one.
void require_writable(const Disk& disk) {
    try {
        os::open_file(disk.device_path, O_RDWR);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            throw Error(
                ErrorCode::unavailable, "a disk of the guest is not there: " + disk.device_path,
                advised("Check that all volumes of the machine are attached to the appliance, then try again."));
        }
        throw Error(ErrorCode::external, "a disk of the guest cannot be written to: " + error.cause(),
                    advised("Check whether the volume is attached read-only."));
    }
}

void require_success(const LimitedExit& run, const Tools& tools, const std::string& report) {
    if (run.said_too_much) {
        throw Error(ErrorCode::exhausted,
                    "virt-v2v said more than " + format_bytes(tools.output_limit) + " and was ended",
                    advised("Roll back; the job's log tells what it said again and again."));
    }
    if (run.exit.timed_out) {
        throw Error(ErrorCode::timeout,
                    "virt-v2v did not finish within " + std::to_string(tools.limit.count()) + " minutes",
                    advised("Roll back; look at the job's log for where it hung. A slow appliance needs a higher "
                            "guest.limit_minutes."));
    }
    if (run.exit.stopped) {
        throw Error(ErrorCode::cancelled, "adding the drivers was stopped", snapshots_protect);
    }
    if (run.exit.code < 0) {
        throw Error(ErrorCode::external, "virt-v2v was ended by signal " + std::to_string(run.exit.signal),
                    advised("Roll back and try again. Signal 9 mostly means that the appliance has too little memory."))
            .with_native(std::to_string(run.exit.signal));
    }
    if (run.exit.code != 0) {
        throw failure_of(run.exit.code, report, run.exit.output);
    }
}

}  // namespace

std::string domain_xml(const Conversion& conversion) {
    std::string xml = "<domain type='vmware'><name>" + xml_escape(conversion.guest_name) +
                      "</name><memory unit='MiB'>" + std::to_string(conversion.memory_mb) + "</memory><vcpu>" +
                      std::to_string(conversion.cpus) + "</vcpu>";
    xml += conversion.uefi ? "<os firmware='efi'><type arch='x86_64'>hvm</type></os>"
                           : "<os><type arch='x86_64'>hvm</type></os>";
    xml += "<features><acpi/><apic/></features><devices>";
    std::map<std::string, int> used;
    for (const auto& disk : conversion.disks) {
        const auto name = old_device_name(disk.bus, used[disk.bus == "sata" ? "scsi" : disk.bus]++);
        xml += "<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='" +
               xml_escape(disk.device_path) + "'/><target dev='" + name + "' bus='" + xml_escape(disk.bus) +
               "'/></disk>";
    }
    return xml + "<interface type='network'><source network='default'/></interface></devices></domain>";
}

Outcome convert(const Conversion& conversion, const Tools& tools, const std::function<void(const std::string&)>& log,
                const std::stop_token& stop) {
    require_converter(tools);
    for (const auto& disk : conversion.disks) {
        require_writable(disk);
    }
    sweep(tools.work_folder);
    CappedLog capped(log, tools.log_limit);
    const auto line = [&](const std::string& text) { capped.line(text); };
    LimitedExit run;
    std::string report;
    {
        const RunFolder folder(tools.work_folder);
        os::write_file_atomically(folder.path() + "/guest.xml", domain_xml(conversion));
        run = run_limited(command_for(tools, folder.path()), tools, folder, stop, line, line);
        report = read_if_there(folder.path() + "/report.json");
    }
    capped.finish();
    require_success(run, tools, report);
    auto outcome = outcome_of(report);
    outcome.needs_uefi = outcome.needs_uefi || conversion.uefi;
    return outcome;
}

}  // namespace mk::guest

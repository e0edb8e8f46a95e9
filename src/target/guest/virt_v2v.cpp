#include "target/guest/virt_v2v.hpp"

#include <filesystem>
#include <map>
#include <system_error>

#include "base/ids.hpp"
#include "os/file.hpp"
#include "os/process.hpp"

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

/// A private folder for one run, removed with everything that virt-v2v leaves (it sweeps nothing after SIGTERM).
class WorkFolder {
  public:
    explicit WorkFolder(const std::string& parent) : path_(parent + "/migratekit-v2v-" + new_uuid()) {
        os::make_folders(path_);
    }
    ~WorkFolder() {
        std::error_code ignored;  // what cannot be removed is left for the next sweep of the temporary folder
        std::filesystem::remove_all(path_, ignored);
    }
    WorkFolder(const WorkFolder&) = delete;
    WorkFolder& operator=(const WorkFolder&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

std::string read_if_there(const std::string& path) {
    try {
        return os::read_file(path);
    } catch (const Error&) {
        return {};
    }
}

os::Command command_for(const Tools& tools, const std::string& folder) {
    os::Command command;
    // pdeathsig: when this service dies, nobody may go on writing to the volumes.
    command.argv = {"setpriv",
                    "--pdeathsig",
                    "TERM",
                    tools.program,
                    "--root",
                    "first",
                    "--machine-readable=file:" + folder + "/report.json",
                    "-i",
                    "libvirtxml",
                    folder + "/guest.xml"};
    command.environment = {{"LIBGUESTFS_BACKEND", "direct"}, {"TMPDIR", folder}, {"LC_ALL", "C.UTF-8"}};
    if (tools.force_emulation) {
        command.environment.emplace_back("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg");
    }
    if (!tools.virtio_win.empty()) {
        command.environment.emplace_back("VIRTIO_WIN", tools.virtio_win);
    }
    return command;
}

}  // namespace

void require_installed(const Tools& tools) {
    if (!os::is_installed(tools.program)) {
        throw Error(ErrorCode::unavailable, tools.program + " is not installed on the appliance",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Install it: apt-get install virt-v2v",
                     .retry_safe = true});
    }
}

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
    require_installed(tools);
    const WorkFolder folder(tools.work_folder);
    os::write_file_atomically(folder.path() + "/guest.xml", domain_xml(conversion));
    const auto exit = os::run(command_for(tools, folder.path()), tools.limit, stop, log, log);
    const auto report = read_if_there(folder.path() + "/report.json");
    if (exit.timed_out) {
        throw Error(ErrorCode::timeout,
                    "virt-v2v did not finish within " + std::to_string(tools.limit.count()) + " minutes",
                    {.consequence = "The copy is protected by its snapshots.",
                     .remedy = "Roll back; look at the job's log for where it hung.",
                     .retry_safe = true});
    }
    if (exit.stopped) {
        throw Error(ErrorCode::cancelled, "adding the drivers was stopped",
                    {.consequence = "The copy is protected by its snapshots."});
    }
    if (exit.code != 0) {
        throw failure_of(exit.code, report, exit.output);
    }
    auto outcome = outcome_of(report);
    outcome.needs_uefi = outcome.needs_uefi || conversion.uefi;
    return outcome;
}

}  // namespace mk::guest

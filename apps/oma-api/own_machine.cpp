#include "own_machine.hpp"

#include <filesystem>

#include "os/file.hpp"

namespace mk::oma {

namespace {

std::string first_line(const std::string& path) {
    try {
        const auto text = os::read_file(path, 4096);
        return text.substr(0, text.find('\n'));
    } catch (const Error&) {
        return {};
    }
}

}  // namespace

cloudstack::OwnMachineHints own_machine_hints() {
    cloudstack::OwnMachineHints hints;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net", failed)) {
        const auto mac = first_line(entry.path() / "address");
        if (!mac.empty() && mac != "00:00:00:00:00:00") {
            hints.macs.push_back(mac);
        }
    }
    hints.dmi_uuid = first_line("/sys/class/dmi/id/product_uuid");
    return hints;
}

}  // namespace mk::oma

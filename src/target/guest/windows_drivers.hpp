#pragma once
// Which Windows drivers the appliance has, and whether virt-v2v 2.2.0 would find those of a certain Windows among them
// (its windows_virtio.ml): any tree whose paths contain /<version>/ and /<architecture>/.

#include <string>
#include <string_view>
#include <vector>

#include "target/guest/guest_facts.hpp"
#include "target/guest/tools.hpp"

namespace mk::guest {

/// What of the appliance a Windows guest would need.
struct WindowsSupport {
    std::string virtio_win{};            ///< folder or ISO
    bool has_virtio_win = false;         ///< it exists
    std::vector<std::string> drivers{};  ///< paths in it, in lower case
    bool has_service_program = false;    ///< rhsrvany.exe or pvvxsvc.exe
    std::string virt_tools{};            ///< where it belongs
};

struct DriverChoice {
    bool storage = false;
    bool network = false;
    bool agent = false;  ///< installer of the QEMU guest agent
};

/// Reads the folders of `tools`; of an ISO only that it exists, its files are in facts.iso_drivers.
WindowsSupport windows_support_of(const Tools& tools, const GuestFacts& facts);
/// What virt-v2v would take for `system` out of `paths`.
DriverChoice choose_drivers(const SystemFacts& system, const std::vector<std::string>& paths);
/// How virtio-win names the version: "2k22"; empty when it has no drivers for it.
std::string virtio_win_name_of(const SystemFacts& system);
/// True for the files that choose_drivers() looks at.
bool is_of_interest(std::string_view path);
std::string lower_case(std::string text);

}  // namespace mk::guest

#include "target/guest/windows_drivers.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <system_error>

namespace mk::guest {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> storage_drivers = {"viostor.sys", "virtio_blk.sys", "vrtioblk.sys"};
constexpr std::array<std::string_view, 2> network_drivers = {"netkvm.inf", "virtio_net.inf"};
constexpr std::array<std::string_view, 3> agents_64 = {"qemu-ga-x64.msi", "qemu-ga-x86_64.msi", "rhev-qga64.msi"};
constexpr std::array<std::string_view, 3> agents_32 = {"qemu-ga-x86.msi", "qemu-ga-i386.msi", "rhev-qga.msi"};
/// The whole virtio-win has about 2000 files.
constexpr std::size_t most_entries = 100'000;

enum class Kind { any, client, server };

struct Version {
    std::string_view name;  ///< in the paths of virtio-win
    std::string_view long_name;
    int major;
    int minor;
    Kind kind;
    std::string_view osinfo;  ///< empty: any
};

// virt-v2v takes the first row whose name is in the path.
constexpr std::array versions = {
    Version{"xp", "winxp", 5, 1, Kind::any, ""},
    Version{"2k3", "win2003", 5, 2, Kind::any, ""},
    Version{"vista", "vista", 6, 0, Kind::client, ""},
    Version{"2k8", "win2008", 6, 0, Kind::server, ""},
    Version{"w7", "win7", 6, 1, Kind::client, ""},
    Version{"2k8r2", "win2008r2", 6, 1, Kind::server, ""},
    Version{"w8", "win8", 6, 2, Kind::client, ""},
    Version{"2k12", "win2012", 6, 2, Kind::server, ""},
    Version{"w8.1", "win8.1", 6, 3, Kind::client, ""},
    Version{"2k12r2", "win2012r2", 6, 3, Kind::server, ""},
    Version{"w10", "win10", 10, 0, Kind::client, "win10"},
    Version{"w11", "win11", 10, 0, Kind::client, "win11"},
    Version{"2k16", "win2016", 10, 0, Kind::server, "win2k16"},
    Version{"2k19", "win2019", 10, 0, Kind::server, "win2k19"},
    Version{"2k22", "win2022", 10, 0, Kind::server, "win2k22"},
};

bool fits(const Version& version, const SystemFacts& system) {
    const bool is_client = system.variant == "Client";
    return version.major == system.major_version && version.minor == system.minor_version &&
           (version.kind == Kind::any || (version.kind == Kind::client) == is_client) &&
           (version.osinfo.empty() || version.osinfo == system.osinfo);
}

bool has_element(const std::string& path, std::string_view element) {
    return path.find("/" + std::string(element) + "/") != std::string::npos;
}

bool is_for(const std::string& path, const SystemFacts& system) {
    const std::string_view architecture = has_element(path, "x86") || has_element(path, "i386") ? "i386"
                                          : has_element(path, "amd64")                          ? "x86_64"
                                                                                                : "";
    const auto version = std::find_if(versions.begin(), versions.end(), [&](const Version& row) {
        return has_element(path, row.name) || has_element(path, row.long_name);
    });
    return !architecture.empty() && architecture == system.architecture && version != versions.end() &&
           fits(*version, system);
}

template <class Names>
bool is_one_of(std::string_view path, const Names& names) {
    const auto name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

std::vector<std::string> drivers_in_folder(const std::string& folder) {
    std::vector<std::string> paths;
    std::error_code problem;
    constexpr auto options =
        fs::directory_options::follow_directory_symlink | fs::directory_options::skip_permission_denied;
    std::size_t seen = 0;
    for (fs::recursive_directory_iterator entry(folder, options, problem), end;
         !problem && entry != end && seen < most_entries; entry.increment(problem), ++seen) {
        auto path = lower_case(entry->path().string().substr(folder.size()));
        if (is_of_interest(path)) {
            paths.push_back(std::move(path));
        }
    }
    return paths;
}

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.back() == '/') {
        path.pop_back();
    }
    return path;
}

}  // namespace

std::string lower_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

bool is_of_interest(std::string_view path) {
    const auto lower = lower_case(std::string(path));
    return is_one_of(lower, storage_drivers) || is_one_of(lower, network_drivers) || is_one_of(lower, agents_64) ||
           is_one_of(lower, agents_32);
}

std::string virtio_win_of(const Tools& tools) {
    if (!tools.virtio_win.empty()) {
        return without_trailing_slashes(tools.virtio_win);
    }
    const std::string folder = "/usr/share/virtio-win";
    const auto iso = folder + "/virtio-win.iso";
    return exists(iso) ? iso : folder;
}

WindowsSupport windows_support_of(const Tools& tools, const GuestFacts& facts) {
    WindowsSupport support;
    support.virtio_win = virtio_win_of(tools);
    support.has_virtio_win = exists(support.virtio_win);
    std::error_code ignored;
    support.drivers = fs::is_directory(support.virtio_win, ignored)
                          ? drivers_in_folder(support.virtio_win)
                          : facts.iso_drivers.value_or(std::vector<std::string>{});
    support.virt_tools = tools.virt_tools;
    support.has_service_program =
        exists(tools.virt_tools + "/rhsrvany.exe") || exists(tools.virt_tools + "/pvvxsvc.exe");
    return support;
}

DriverChoice choose_drivers(const SystemFacts& system, const std::vector<std::string>& paths) {
    DriverChoice choice;
    for (const auto& path : paths) {
        const bool is_64_bit = system.architecture == "x86_64";
        choice.agent = choice.agent || (is_64_bit ? is_one_of(path, agents_64) : is_one_of(path, agents_32));
        if (is_for(path, system)) {
            choice.storage = choice.storage || is_one_of(path, storage_drivers);
            choice.network = choice.network || is_one_of(path, network_drivers);
        }
    }
    return choice;
}

std::string virtio_win_name_of(const SystemFacts& system) {
    const auto version =
        std::find_if(versions.begin(), versions.end(), [&](const Version& row) { return fits(row, system); });
    return version == versions.end() ? std::string{} : std::string(version->name);
}

}  // namespace mk::guest

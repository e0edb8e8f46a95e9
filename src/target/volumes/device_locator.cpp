#include "target/volumes/device_locator.hpp"

#include <filesystem>

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/retry.hpp"
#include "os/file.hpp"

namespace mk::volumes {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::milliseconds poll_pause{500};

/// 0 for what cannot be opened or is no disk: it is not ready (yet).
Bytes size_of_node(const std::string& path) {
    const os::Descriptor node(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status{};
    if (!node || ::fstat(node.get(), &status) != 0) {
        return 0;
    }
    std::uint64_t bytes = 0;
    if (S_ISBLK(status.st_mode)) {
        return ::ioctl(node.get(), BLKGETSIZE64, &bytes) == 0 ? bytes : 0;
    }
    return S_ISREG(status.st_mode) ? static_cast<Bytes>(status.st_size) : 0;
}

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\0')) {
        text.pop_back();
    }
    return text;
}

}  // namespace

std::string serial_of(const VolumeId& volume_id) {
    std::string serial;
    for (const char c : volume_id.value) {
        if (c != '-' && serial.size() < 20) {
            serial += c;
        }
    }
    if (serial.size() < 20) {
        throw Error(ErrorCode::invalid, "'" + volume_id.value + "' is not the id of a volume");
    }
    return serial;
}

std::optional<Device> DeviceLocator::find_by_id(const std::string& serial) const {
    std::optional<Device> found;
    for (const char* lead : {"virtio-", "scsi-0QEMU_QEMU_HARDDISK_"}) {
        const auto link = folders_.by_id + "/" + lead + serial;
        std::error_code error;
        const auto target = fs::canonical(link, error);
        if (error) {
            continue;
        }
        Device device{target.string(), link, size_of_node(target.string())};
        if (found && found->path != device.path) {
            throw Error(ErrorCode::conflict,
                        fmt::format("two devices carry the serial {}: {} and {}", serial, found->path, device.path));
        }
        found = device;
    }
    return found;
}

std::optional<Device> DeviceLocator::find_in_sysfs(const std::string& serial) const {
    std::optional<Device> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folders_.sysfs_block, error)) {
        const auto file = entry.path() / "serial";
        std::error_code absent;
        if (!fs::exists(file, absent)) {
            continue;
        }
        std::string text;
        try {
            text = trimmed(os::read_file(file.string(), 4 * KiB));
        } catch (const Error&) {
            continue;  // the device went away between the two looks
        }
        if (text != serial) {
            continue;
        }
        const auto path = folders_.nodes + "/" + entry.path().filename().string();
        if (found) {
            throw Error(ErrorCode::conflict,
                        fmt::format("two devices carry the serial {}: {} and {}", serial, found->path, path));
        }
        found = Device{path, path, size_of_node(path)};
    }
    return found;
}

std::optional<Device> DeviceLocator::find(const VolumeId& volume_id) const {
    const auto serial = serial_of(volume_id);
    auto by_id = find_by_id(serial);
    const auto by_sysfs = find_in_sysfs(serial);
    if (by_id && by_sysfs && by_id->path != by_sysfs->path) {
        throw Error(
            ErrorCode::conflict,
            fmt::format("the serial {} belongs to {} and, by its link, to {}", serial, by_sysfs->path, by_id->path),
            {.remedy = "Check the links in " + folders_.by_id + "."});
    }
    const auto found = by_id ? by_id : by_sysfs;
    return found && found->size > 0 ? found : std::nullopt;
}

Device DeviceLocator::wait_present(const VolumeId& volume_id, Bytes size, std::chrono::milliseconds limit,
                                   const std::stop_token& stop) const {
    std::optional<Device> device;
    try {
        wait_until(
            [&] {
                device = find(volume_id);
                return device && device->size == size;
            },
            poll_pause, limit, stop, "the device of the volume " + volume_id.value + " to appear");
    } catch (const Error& error) {
        if (error.code() == ErrorCode::timeout && device) {
            throw Error(ErrorCode::corrupt,
                        fmt::format("the device {} has {} bytes, the volume {} has {}", device->path, device->size,
                                    volume_id.value, size),
                        {.consequence = "Nothing was written.",
                         .remedy = "Detach and attach the volume again.",
                         .retry_safe = true});
        }
        throw error.advised(
            {.consequence = "CloudStack shows the volume as attached, but the appliance does not see it.",
             .remedy = "Detach and attach it again; look at the kernel's messages of the appliance.",
             .retry_safe = true});
    }
    return *device;
}

void DeviceLocator::wait_absent(const VolumeId& volume_id, std::chrono::milliseconds limit,
                                const std::stop_token& stop) const {
    wait_until([&] { return !find(volume_id); }, poll_pause, limit, stop,
               "the device of the volume " + volume_id.value + " to vanish");
}

}  // namespace mk::volumes

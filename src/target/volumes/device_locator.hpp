#pragma once
// Which block device of this appliance is a given volume (cloudstack.md section 6): by serial, the first 20 hex digits
// of the volume's UUID, never by name or by time. Folders are configurable so that the matcher can be tested and used
// where devices appear elsewhere. Thread-safe.

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "base/bytes.hpp"
#include "model/ids.hpp"

namespace mk::volumes {

struct DeviceFolders {
    std::string by_id = "/dev/disk/by-id";
    std::string sysfs_block = "/sys/block";
    std::string nodes = "/dev";
};

struct Device {
    std::string path;    ///< "/dev/vdb": good for now, not an identity
    std::string stable;  ///< the by-id link where there is one, otherwise `path`
    Bytes size = 0;
};

std::string serial_of(const VolumeId& volume_id);

class DeviceLocator {
  public:
    explicit DeviceLocator(DeviceFolders folders = {}) : folders_(std::move(folders)) {}

    /// Nothing while it is not there (or has no size yet). Throws Error{conflict} when two devices carry the serial.
    std::optional<Device> find(const VolumeId& volume_id) const;
    /// Waits until the device is there with exactly `size` bytes. Throws Error{timeout}, Error{corrupt} for another
    /// size.
    Device wait_present(const VolumeId& volume_id, Bytes size, std::chrono::milliseconds limit,
                        const std::stop_token& stop) const;
    void wait_absent(const VolumeId& volume_id, std::chrono::milliseconds limit, const std::stop_token& stop) const;

  private:
    std::optional<Device> find_by_id(const std::string& serial) const;
    std::optional<Device> find_in_sysfs(const std::string& serial) const;

    DeviceFolders folders_;
};

}  // namespace mk::volumes

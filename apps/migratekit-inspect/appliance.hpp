#pragma once
// libguestfs' appliance: a small virtual machine that opens foreign file systems, so that a malicious one meets a guest
// and not this host. This folder alone knows libguestfs. One thread. Facts about its functions: guestfs(3) of 1.48.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

struct guestfs_h;

namespace mk::inspect {

struct Space {
    Bytes bytes = 0;
    Bytes free_bytes = 0;  ///< also what is kept for root
    std::uint64_t inodes = 0;
    std::uint64_t free_inodes = 0;
};

/// All questions are asked of an appliance that was started. A question that cannot be answered yields nothing, an
/// empty text or an empty list: disks of guests hold everything that is possible.
class Appliance {
  public:
    /// Throws Error{internal}.
    Appliance();
    ~Appliance();
    Appliance(const Appliance&) = delete;
    Appliance& operator=(const Appliance&) = delete;

    /// A raw disk, never written to. Throws Error{external}.
    void add_disk(const std::string& path);
    /// Throws Error{unavailable} with libguestfs' words.
    void start(int memory_mib);

    std::vector<std::string> devices() const;
    std::vector<std::string> partitions() const;
    std::vector<std::string> logical_volumes() const;
    /// The place of a device, or of a partition's device, among the added disks; -1: not known.
    int disk_of(const std::string& device) const;
    /// The disk that holds all of a logical volume's volume group; -1: several, or not known.
    int disk_of_logical_volume(const std::string& volume) const;
    int partition_number(const std::string& partition) const;
    Bytes size_of(const std::string& device) const;
    std::string content_of(const std::string& device) const;        ///< "ext4", "crypto_LUKS" ...
    std::string partition_scheme(const std::string& device) const;  ///< "gpt", "msdos"; empty: none
    std::string gpt_type(const std::string& device, int number) const;
    bool is_active(const std::string& device, int number) const;
    std::string first_sector(const std::string& device) const;

    /// Root devices of the systems that were found. Throws Error{external}: then nothing is known about them.
    std::vector<std::string> find_systems();
    std::string family(const std::string& root) const;
    std::string distribution(const std::string& root) const;
    std::string product(const std::string& root) const;
    std::string variant(const std::string& root) const;
    std::string osinfo(const std::string& root) const;
    std::string architecture(const std::string& root) const;
    int major_version(const std::string& root) const;
    int minor_version(const std::string& root) const;
    /// {mount point, device}, "/" first.
    std::vector<std::pair<std::string, std::string>> mount_points(const std::string& root) const;

    /// Why it could not be mounted; empty when it is.
    std::string mount(const std::string& device, const std::string& mount_point);
    void unmount_all();
    std::optional<Space> space_of(const std::string& mount_point) const;
    bool is_folder(const std::string& path) const;
    /// The first bytes of a file whose name is found in any case; empty when there is none.
    std::string first_bytes(const std::string& path, int count) const;
    /// Paths below the root of what is mounted.
    std::vector<std::string> all_files() const;

  private:
    std::string last_error() const;

    guestfs_h* handle_;
};

}  // namespace mk::inspect

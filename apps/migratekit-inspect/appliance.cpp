#include "appliance.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <guestfs.h>

#include "base/error.hpp"

namespace mk::inspect {

namespace {

/// Guests choose these texts; people and logs must bear them.
constexpr std::size_t longest_text = 256;

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};

/// libguestfs' text, which is freed; empty for NULL.
std::string take(char* text) {
    const std::unique_ptr<char, Free> owned(text);
    return text == nullptr ? std::string{} : std::string(text).substr(0, longest_text);
}

std::vector<std::string> take_list(char** list) {
    std::vector<std::string> texts;
    const std::unique_ptr<char*, Free> owned(list);
    for (char** entry = list; entry != nullptr && *entry != nullptr; ++entry) {
        const std::unique_ptr<char, Free> text(*entry);
        texts.emplace_back(text.get());
    }
    return texts;
}

std::string take_bytes(char* bytes, std::size_t size) {
    const std::unique_ptr<char, Free> owned(bytes);
    return bytes == nullptr ? std::string{} : std::string(bytes, size);
}

Bytes at_least_zero(std::int64_t value) {
    return value < 0 ? 0 : static_cast<Bytes>(value);
}

}  // namespace

Appliance::Appliance() : handle_(guestfs_create_flags(0)) {
    if (handle_ == nullptr) {
        throw Error(ErrorCode::internal, "libguestfs could not be initialised");
    }
    guestfs_set_error_handler(handle_, nullptr, nullptr);  // otherwise it prints what we ask for ourselves
    guestfs_set_program(handle_, "migratekit-inspect");
}

Appliance::~Appliance() {
    guestfs_close(handle_);
}

std::string Appliance::last_error() const {
    const char* const text = guestfs_last_error(handle_);
    return text == nullptr ? "it gave no reason" : std::string(text).substr(0, 4 * longest_text);
}

void Appliance::add_disk(const std::string& path) {
    if (guestfs_add_drive_opts(handle_, path.c_str(), GUESTFS_ADD_DRIVE_OPTS_READONLY, 1, GUESTFS_ADD_DRIVE_OPTS_FORMAT,
                               "raw", -1) != 0) {
        throw Error(ErrorCode::external, path + ": " + last_error());
    }
}

void Appliance::start(int memory_mib) {
    guestfs_set_memsize(handle_, memory_mib);
    guestfs_set_network(handle_, 0);
    guestfs_set_smp(handle_, 1);
    if (guestfs_launch(handle_) != 0) {
        throw Error(ErrorCode::unavailable, last_error());
    }
}

std::vector<std::string> Appliance::devices() const {
    return take_list(guestfs_list_devices(handle_));
}

std::vector<std::string> Appliance::partitions() const {
    return take_list(guestfs_list_partitions(handle_));
}

std::vector<std::string> Appliance::logical_volumes() const {
    return take_list(guestfs_lvs(handle_));
}

int Appliance::disk_of(const std::string& device) const {
    const int whole = guestfs_device_index(handle_, device.c_str());
    if (whole >= 0) {
        return whole;
    }
    const auto parent = take(guestfs_part_to_dev(handle_, device.c_str()));
    return parent.empty() ? -1 : std::max(guestfs_device_index(handle_, parent.c_str()), -1);
}

int Appliance::disk_of_logical_volume(const std::string& volume) const {
    // "/dev/GROUP/NAME"
    const auto start = std::string_view("/dev/").size();
    const auto group = volume.substr(start, volume.find('/', start) - start);
    const auto members = take_list(guestfs_vgpvuuids(handle_, group.c_str()));
    int disk = -1;
    for (const auto& physical : take_list(guestfs_pvs(handle_))) {
        auto uuid = take(guestfs_pvuuid(handle_, physical.c_str()));
        std::erase(uuid, '-');  // vgpvuuids() gives them without
        if (std::none_of(members.begin(), members.end(), [&](std::string member) {
                std::erase(member, '-');
                return member == uuid;
            })) {
            continue;
        }
        const int of_this = disk_of(physical);
        if (disk >= 0 && of_this != disk) {
            return -1;
        }
        disk = of_this;
    }
    return disk;
}

int Appliance::partition_number(const std::string& partition) const {
    return std::max(guestfs_part_to_partnum(handle_, partition.c_str()), -1);
}

Bytes Appliance::size_of(const std::string& device) const {
    return at_least_zero(guestfs_blockdev_getsize64(handle_, device.c_str()));
}

std::string Appliance::content_of(const std::string& device) const {
    return take(guestfs_vfs_type(handle_, device.c_str()));
}

std::string Appliance::partition_scheme(const std::string& device) const {
    const auto scheme = take(guestfs_part_get_parttype(handle_, device.c_str()));
    return scheme == "loop" ? std::string{} : scheme;  // parted's word for a file system without partitions
}

std::string Appliance::gpt_type(const std::string& device, int number) const {
    return take(guestfs_part_get_gpt_type(handle_, device.c_str(), number));
}

bool Appliance::is_active(const std::string& device, int number) const {
    return guestfs_part_get_bootable(handle_, device.c_str(), number) == 1;
}

std::string Appliance::first_sector(const std::string& device) const {
    constexpr int sector = 512;
    std::size_t size = 0;
    char* const bytes = guestfs_pread_device(handle_, device.c_str(), sector, 0, &size);
    return take_bytes(bytes, size);
}

std::vector<std::string> Appliance::find_systems() {
    char** const roots = guestfs_inspect_os(handle_);
    if (roots == nullptr) {
        throw Error(ErrorCode::external, last_error());
    }
    return take_list(roots);
}

std::string Appliance::family(const std::string& root) const {
    return take(guestfs_inspect_get_type(handle_, root.c_str()));
}

std::string Appliance::distribution(const std::string& root) const {
    return take(guestfs_inspect_get_distro(handle_, root.c_str()));
}

std::string Appliance::product(const std::string& root) const {
    return take(guestfs_inspect_get_product_name(handle_, root.c_str()));
}

std::string Appliance::variant(const std::string& root) const {
    return take(guestfs_inspect_get_product_variant(handle_, root.c_str()));
}

std::string Appliance::osinfo(const std::string& root) const {
    return take(guestfs_inspect_get_osinfo(handle_, root.c_str()));
}

std::string Appliance::architecture(const std::string& root) const {
    return take(guestfs_inspect_get_arch(handle_, root.c_str()));
}

int Appliance::major_version(const std::string& root) const {
    return std::max(guestfs_inspect_get_major_version(handle_, root.c_str()), 0);
}

int Appliance::minor_version(const std::string& root) const {
    return std::max(guestfs_inspect_get_minor_version(handle_, root.c_str()), 0);
}

std::vector<std::pair<std::string, std::string>> Appliance::mount_points(const std::string& root) const {
    const auto flat = take_list(guestfs_inspect_get_mountpoints(handle_, root.c_str()));
    std::vector<std::pair<std::string, std::string>> points;
    for (std::size_t at = 0; at + 1 < flat.size(); at += 2) {
        points.emplace_back(flat[at], flat[at + 1]);
    }
    // A shorter path is never below a longer one.
    std::stable_sort(points.begin(), points.end(),
                     [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
    return points;
}

std::string Appliance::mount(const std::string& device, const std::string& mount_point) {
    return guestfs_mount_ro(handle_, device.c_str(), mount_point.c_str()) == 0 ? std::string{} : last_error();
}

void Appliance::unmount_all() {
    guestfs_umount_all(handle_);
}

std::optional<Space> Appliance::space_of(const std::string& mount_point) const {
    struct Release {
        void operator()(struct guestfs_statvfs* figures) const { guestfs_free_statvfs(figures); }
    };
    const std::unique_ptr<struct guestfs_statvfs, Release> figures(guestfs_statvfs(handle_, mount_point.c_str()));
    if (!figures) {
        return std::nullopt;
    }
    // Inode counts of file systems that have none are 0, or -1.
    return Space{.bytes = at_least_zero(figures->blocks) * at_least_zero(figures->bsize),
                 .free_bytes = at_least_zero(figures->bfree) * at_least_zero(figures->bsize),
                 .inodes = at_least_zero(figures->files),
                 .free_inodes = at_least_zero(figures->ffree)};
}

bool Appliance::is_folder(const std::string& path) const {
    return guestfs_is_dir(handle_, path.c_str()) == 1;
}

std::string Appliance::first_bytes(const std::string& path, int count) const {
    const auto exact = take(guestfs_case_sensitive_path(handle_, path.c_str()));
    if (exact.empty() || guestfs_is_file(handle_, exact.c_str()) != 1) {
        return {};
    }
    std::size_t size = 0;
    char* const bytes = guestfs_pread(handle_, exact.c_str(), count, 0, &size);
    return take_bytes(bytes, size);
}

std::vector<std::string> Appliance::all_files() const {
    return take_list(guestfs_find(handle_, "/"));
}

}  // namespace mk::inspect

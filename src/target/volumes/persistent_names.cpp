#include "target/volumes/persistent_names.hpp"

#include <cerrno>
#include <cstdio>

#include <unistd.h>

#include "os/file.hpp"

namespace mk::volumes {
namespace {

constexpr std::size_t longest_name = 200;

std::string plain(std::string name) {
    for (auto& c : name) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                              c == '_' || c == '.';
        if (!is_plain) {
            c = '_';
        }
    }
    return name;
}

}  // namespace

PersistentNames::PersistentNames(std::string folder) : folder_(std::move(folder)) {
    os::make_folders(folder_, 0755);
}

std::string PersistentNames::name_of(const VmContextId& vm_context_id, const DiskId& disk_id) {
    return plain("vol-" + vm_context_id.value + "-" + disk_id.value).substr(0, longest_name);
}

std::string PersistentNames::name_of_clone(const VmContextId& vm_context_id, const DiskId& disk_id,
                                           const VolumeId& clone) {
    const auto suffix = plain("-" + clone.value.substr(0, 64));
    const auto lead = plain("clone-" + vm_context_id.value + "-" + disk_id.value);
    return lead.substr(0, longest_name - suffix.size()) + suffix;
}

std::string PersistentNames::point(const std::string& name, const std::string& target) const {
    const auto path = path_of(name);
    const auto temporary = path + ".new";
    os::remove_file(temporary);
    if (::symlink(target.c_str(), temporary.c_str()) != 0 || std::rename(temporary.c_str(), path.c_str()) != 0) {
        throw os::system_error("make the link " + path, errno);
    }
    return path;
}

void PersistentNames::remove(const std::string& name) const {
    os::remove_file(path_of(name));
}

}  // namespace mk::volumes

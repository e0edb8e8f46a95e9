#include "source/vsphere/private_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/log.hpp"
#include "os/file.hpp"

namespace mk::vsphere {
namespace {

// sun_path holds 108 bytes; names of ours inside the folder need up to 20.
constexpr std::size_t longest_parent = 60;

}  // namespace

PrivateFolder::PrivateFolder() {
    std::error_code problem;
    auto parent = std::filesystem::temp_directory_path(problem).string();
    if (problem || parent.size() > longest_parent) {
        parent = "/tmp";
    }
    path_ = parent + "/migratekit-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) {
        throw os::system_error("make a private folder in " + parent, errno);
    }
}

PrivateFolder::~PrivateFolder() {
    std::error_code problem;
    std::filesystem::remove_all(path_, problem);
    if (problem) {
        log::warn("the folder {} could not be removed: {}", path_, problem.message());
    }
}

}  // namespace mk::vsphere

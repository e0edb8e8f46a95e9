#include "source/vsphere/private_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.hpp"

namespace mk::vsphere {
namespace {

namespace fs = std::filesystem;

// sun_path holds 108 bytes; names of ours inside the folder need up to 20.
constexpr std::size_t longest_parent = 60;
constexpr std::string_view name_prefix = "migratekit-reader-";

std::string parent_folder() {
    std::error_code problem;
    auto parent = fs::temp_directory_path(problem).string();
    return problem || parent.size() > longest_parent ? "/tmp" : parent;
}

bool is_own_folder(const fs::path& path) {
    struct stat facts{};
    return ::lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == ::geteuid();
}

/// Only folders of ours whose lock nobody holds; one without a lock file is just being made.
void remove_abandoned(const std::string& parent) {
    std::error_code problem;
    for (const auto& entry : fs::directory_iterator(parent, problem)) {
        if (!entry.path().filename().string().starts_with(name_prefix) || !is_own_folder(entry.path())) {
            continue;
        }
        const os::Descriptor lock(::open((entry.path() / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
        if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
            std::error_code ignored;
            fs::remove_all(entry.path(), ignored);
        }
    }
}

/// Locked before it gets its name, so that nobody finds it unlocked.
os::Descriptor make_lock(const std::string& folder) {
    auto lock = os::open_file(folder + "/lock.new", O_RDWR | O_CREAT | O_EXCL);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 ||
        ::rename((folder + "/lock.new").c_str(), (folder + "/lock").c_str()) != 0) {
        throw os::system_error("lock the folder " + folder, errno);
    }
    return lock;
}

}  // namespace

PrivateFolder::PrivateFolder() {
    const auto parent = parent_folder();
    remove_abandoned(parent);
    path_ = parent + "/" + std::string(name_prefix) + "XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) {
        throw os::system_error("make a private folder in " + parent, errno);
    }
    lock_ = make_lock(path_);
}

PrivateFolder::~PrivateFolder() {
    std::error_code problem;
    fs::remove_all(path_, problem);
    if (problem) {
        log::warn("the folder {} could not be removed: {}", path_, problem.message());
    }
}

}  // namespace mk::vsphere

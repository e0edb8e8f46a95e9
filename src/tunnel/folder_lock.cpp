#include "tunnel/folder_lock.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>

namespace mk::tunnel {

FolderLock::FolderLock(const std::string& folder) {
    os::make_folders(folder);
    file_ = os::open_file(folder + "/lock", O_RDWR | O_CREAT);
    while (::flock(file_.get(), LOCK_EX) != 0) {
        if (errno != EINTR) {
            throw os::system_error("lock " + folder, errno);
        }
    }
}

}  // namespace mk::tunnel

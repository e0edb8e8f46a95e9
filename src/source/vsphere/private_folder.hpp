#pragma once
// A temporary folder that only we can enter, for sockets, cookie and certificate files of readers. Removed with its
// content. A process that was killed leaves its folder behind; the next one that makes a folder removes it: a folder
// belongs to somebody as long as its lock file is locked.

#include <string>

#include "os/file.hpp"

namespace mk::vsphere {

class PrivateFolder {
  public:
    /// Below $TMPDIR or /tmp; the path stays short because Unix socket paths end at 107 characters.
    PrivateFolder();
    ~PrivateFolder();
    PrivateFolder(const PrivateFolder&) = delete;
    PrivateFolder& operator=(const PrivateFolder&) = delete;

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
    os::Descriptor lock_;
};

}  // namespace mk::vsphere

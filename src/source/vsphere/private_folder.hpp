#pragma once
// A temporary folder that only we can enter, for sockets, cookie and certificate files of readers. Removed with its
// content.

#include <string>

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
};

}  // namespace mk::vsphere

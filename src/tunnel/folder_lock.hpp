#pragma once
// Changes to a folder by one process and one thread at a time.

#include <string>

#include "os/file.hpp"

namespace mk::tunnel {

/// Holds an exclusive lock on FOLDER/lock from construction to destruction. Waits: holders work for milliseconds only.
class FolderLock {
  public:
    /// Makes the folder (0700) when it is absent.
    explicit FolderLock(const std::string& folder);

  private:
    os::Descriptor file_;
};

}  // namespace mk::tunnel

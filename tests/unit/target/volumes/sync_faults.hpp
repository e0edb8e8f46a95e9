#pragma once
// Lets fdatasync() fail in this test program, as it does when a disk could not take what was written to it earlier.
// Like the kernel it tells that once per open file. Defined in block_device_test.cpp.

#include <string>

namespace mk::volumes::test_support {

/// As long as it lives: the next `count` calls on a file whose path ends with `path_end` fail with EIO.
class SyncFaults {
  public:
    explicit SyncFaults(const std::string& path_end, int count = 1);
    ~SyncFaults();
    SyncFaults(const SyncFaults&) = delete;
    SyncFaults& operator=(const SyncFaults&) = delete;
};

}  // namespace mk::volumes::test_support

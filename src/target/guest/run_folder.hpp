#pragma once
// The private folder of one run of a guest tool, and the end of everything that belongs to the run.
//
// Each process of a run carries the folder in its environment (mark()), whatever group or session it has made for
// itself: so they are found and ended when the run is over, or, after a crash of ours, by the next start (sweep()). The
// folder's name tells whose it is: process id and start time of the owner.
//
// libguestfs keeps its sockets in /tmp/libguestfsXXXXXX when it runs as root, whatever TMPDIR says, and leaves them
// when it is killed; note_sockets() writes down which of them are this run's, so that nothing of others is touched.

#include <cstddef>
#include <mutex>
#include <string>

#include "target/guest/marked_processes.hpp"

namespace mk::guest {

class RunFolder {
  public:
    /// Throws Error when it cannot be made, and Error{invalid} when its path leaves no room for unix sockets.
    explicit RunFolder(const std::string& parent);
    /// Ends the run's processes, removes what they left.
    ~RunFolder();
    RunFolder(const RunFolder&) = delete;
    RunFolder& operator=(const RunFolder&) = delete;

    const std::string& path() const { return path_; }
    /// The environment variable that every process of the run must have.
    Mark mark() const;
    /// Remembers, durably, the folders of sockets that the run's QEMU processes use now. Thread-safe, never throws.
    void note_sockets() const noexcept;

  private:
    std::string path_;
    mutable std::mutex mutex_;  // the list of sockets
};

/// Ends and removes what runs of owners that are dead left in `parent`: processes first, so that nothing writes to a
/// volume any more when this returns. Returns how many runs that were. Never touches a living owner's.
std::size_t sweep(const std::string& parent);

}  // namespace mk::guest

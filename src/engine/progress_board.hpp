#pragma once
// Adds up what the disks of a pass report and tells the listener. Thread-safe; the listener is called under a lock, one
// call at a time, and must not call back. Figures of a disk never fall.

#include <mutex>
#include <string>
#include <vector>

#include "engine/copier.hpp"
#include "engine/pass.hpp"

namespace mk::engine {

class ProgressBoard {
  public:
    ProgressBoard(const PassOrder& order, ProgressCallback listener);

    void set_stage(std::string_view stage);
    void set_sync_type(std::string_view sync_type);
    void set_planned(std::size_t disk, Bytes planned);
    void set_counts(std::size_t disk, const CopyCounts& counts);
    /// "Flushing" is shown once no disk is copying any more.
    void disk_flushes();

  private:
    void tell();

    std::mutex mutex_;
    ProgressCallback listener_;
    Progress progress_;
    std::vector<CopyCounts> counts_;
    std::size_t flushing_ = 0;
};

}  // namespace mk::engine

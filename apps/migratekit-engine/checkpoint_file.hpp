#pragma once
// The engine's checkpoints in a file (0600), a line of JSON each (docs/data-plane.md section 3):
//
//   {"version":1}
//   {"disk","session","change_id","backing_uuid","capacity","touched":[[offset,length]...]}
//   {"disk","differences":[[offset,length]...]}
//   {"disk","runs":[[offset,length,"32 hex"]...]}
//
// begin() writes a new file beside it and renames it. append() adds lines and fsyncs; a line that a crash tore is the
// last one and is not there.

#include <mutex>
#include <string>

#include "engine/ports.hpp"
#include "os/file.hpp"

namespace mk {

class CheckpointFile : public engine::CheckpointLog {
  public:
    explicit CheckpointFile(std::string path) : path_(std::move(path)) {}

    std::vector<engine::DiskCheckpoint> load() override;
    void begin(const std::vector<engine::DiskCheckpoint>& disks) override;
    void append(const DiskId& disk, std::span<const engine::RunDigest> runs,
                std::span<const Range> differences) noexcept override;

  private:
    std::string path_;
    std::mutex mutex_;
    os::Descriptor file_;     ///< since begin()
    bool is_broken_ = false;  ///< nothing can be added any more: a line may be torn
};

}  // namespace mk

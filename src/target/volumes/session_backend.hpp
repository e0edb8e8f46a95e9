#pragma once
// What the export of a write session reads and writes. Internal to target/volumes. Thread-safe.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "target/volumes/block_device.hpp"
#include "target/volumes/export_backend.hpp"
#include "target/volumes/overlay.hpp"

namespace mk::volumes {

class SessionBackend : public ExportBackend {
  public:
    /// What is read afterwards comes from storage and not from memory where that is possible.
    virtual void forget_cached() = 0;
    virtual bool has_writes() const = 0;
    /// Ends it: everything that arrived is durable and complete. No writes after it.
    virtual void seal() = 0;
    /// Bytes that it occupies in the staging folder.
    virtual Bytes staged_bytes() const = 0;
    /// Parts of the device that were written through it, in whole units; nothing when it cannot tell (after a restart).
    virtual std::optional<std::vector<Range>> touched() const = 0;
};

/// `length` may be shorter than the device. `knows_history`: nobody wrote before it was made.
std::shared_ptr<SessionBackend> make_direct_backend(const std::string& device_path, Bytes length, bool knows_history);
std::shared_ptr<SessionBackend> make_staged_backend(const std::string& device_path, std::unique_ptr<Overlay> overlay,
                                                    const OverlayFiles& files);

}  // namespace mk::volumes

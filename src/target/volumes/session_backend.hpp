#pragma once
// What the export of a write session reads and writes. Internal to target/volumes. Thread-safe.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "target/volumes/block_device.hpp"
#include "target/volumes/export_backend.hpp"
#include "target/volumes/overlay.hpp"
#include "target/volumes/staging_space.hpp"

namespace mk::volumes {

class SessionBackend : public ExportBackend {
  public:
    SessionBackend(Bytes length, bool knows_history);
    Bytes size() const override { return length_; }
    /// Of this object: what it answered before is in its device or overlay as long as it lives.
    std::string instance() const override { return instance_; }
    /// What is read afterwards comes from storage and not from memory where that is possible.
    virtual void forget_cached() = 0;
    /// True when something was written through it, or may have been before it was made.
    bool has_writes() const { return !knows_history_ || has_written_; }
    /// True after a flush that failed: what was answered and was not durable before may be lost, and no flush succeeds
    /// any more.
    virtual bool has_lost_writes() const = 0;
    /// Ends it: everything that arrived is durable and complete. No writes after it.
    virtual void seal() = 0;
    /// So much more will about be written. Error{exhausted} when that cannot fit.
    virtual void expect(Bytes more) = 0;
    /// Parts of the device that were written through it; nothing when it cannot tell (after a restart).
    virtual std::optional<std::vector<Range>> touched() const = 0;

  protected:
    bool knows_history() const { return knows_history_; }
    void note_write() { has_written_ = true; }

  private:
    const Bytes length_;
    const bool knows_history_;
    const std::string instance_;
    std::atomic<bool> has_written_{false};
};

/// `length` may be shorter than the device. `knows_history`: nobody wrote before it was made.
std::shared_ptr<SessionBackend> make_direct_backend(const std::string& device_path, Bytes length, bool knows_history);
std::shared_ptr<SessionBackend> make_staged_backend(const std::string& device_path, std::unique_ptr<Overlay> overlay,
                                                    std::unique_ptr<StagingSpace::Account> account, bool knows_history);

}  // namespace mk::volumes

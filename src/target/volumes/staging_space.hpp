#pragma once
// The space that overlays share. What an increment is expected to bring is promised to its session before it begins,
// and refused when it cannot fit. When more arrives than there is, the write fails (exhausted); a reserve stays free,
// so that journals can always be completed and a session ended. Thread-safe.

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "target/volumes/overlay.hpp"

namespace mk::volumes {

struct StagingOptions {
    std::string folder;
    Bytes reserve = 256 * MiB;  ///< stays free on the staging file system
    Bytes quota = 0;            ///< of the data in all overlays together; 0: only the file system limits
};

struct StagingState {
    Bytes total = 0;      ///< of the file system
    Bytes free = 0;       ///< of the file system
    Bytes reserved = 0;   ///< what overlays use, and what they were promised beyond that
    Bytes available = 0;  ///< what could be promised now
};

class StagingSpace : public std::enable_shared_from_this<StagingSpace> {
  public:
    /// The share of one overlay.
    class Account {
      public:
        explicit Account(std::shared_ptr<StagingSpace> space);
        ~Account();
        Account(const Account&) = delete;
        Account& operator=(const Account&) = delete;
        /// So much more will about come. Error{exhausted} when it cannot fit beside what others use and were promised;
        /// the former promise holds then.
        void expect(Bytes more);
        /// Before `length` bytes are written: Error{exhausted} when they do not fit any more.
        void require_room(Bytes length) const;
        void set_used(Bytes used);

      private:
        friend class StagingSpace;
        const std::shared_ptr<StagingSpace> space_;
        std::atomic<Bytes> used_{0};
        Bytes expected_ = 0;  ///< in all; guarded by the space's mutex
    };

    explicit StagingSpace(StagingOptions options);
    OverlayFiles files_of(const std::string& session_id) const { return OverlayFiles::in(options_.folder, session_id); }
    std::unique_ptr<Account> open_account();
    /// Throws Error{unavailable} when the folder cannot be looked at.
    StagingState state() const;
    /// Removes overlays of sessions that are not among these.
    void remove_orphans(const std::set<std::string>& session_ids) const;

  private:
    Bytes promised_beside(const Account* asking) const;
    void check_fits(Bytes more, const Account& asking) const;
    Error full(const std::string& cause, const std::string& consequence) const;

    const StagingOptions options_;
    std::atomic<Bytes> used_{0};
    mutable std::mutex accounts_mutex_;
    std::vector<const Account*> accounts_;
};

}  // namespace mk::volumes

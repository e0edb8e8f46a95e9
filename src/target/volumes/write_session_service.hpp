#pragma once
// Write sessions: the only way data reaches a replica (architecture.md decisions 6 and 11).
//
//   direct   writes go to the device at once: the first copy into a volume, or a full copy again
//   staged   writes go to an overlay; commit applies it, abort leaves the volume untouched
//
//   open --commit--> committing --applied--> committed        open --abort--> aborted
//   committing --staged changes damaged, or given up--> aborted: the volume needs a full copy
//
// An export exists only while its session is open. A session in "committing" is finished by the next start of the
// daemon. An open session outlives the job that opened it: another job of the same machine may take it over with all
// that arrived in it.
//
// What is open may be the rest of a recovery point that counts already. So it stays open, with its files, whatever
// fails (a device that is late, a staging folder that is not mounted): without an export it is opened again by the next
// call that needs it. Only a damaged journal ends it, or an opening that finds its files gone.
//
// Each attempt of a job opens its sessions again. That cuts whoever still writes for the attempt before, and where a
// flush had failed the session begins again from what is durable, under another instance.
//
// Staging space: a session whose expected changes do not fit is refused (exhausted) before anything is copied. When
// more comes than there is, the write that does not fit fails (the client sees "no space"), the session stays open with
// what arrived before and the volume is untouched; the job decides whether it is aborted or goes on when there is
// space.
//
//  Commit runs under the volume's key lock (operation runner), open and abort take it themselves. Thread-safe.

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "target/volumes/device_locator.hpp"
#include "target/volumes/digest_map.hpp"
#include "target/volumes/key_locks.hpp"
#include "target/volumes/nbd_server.hpp"
#include "target/volumes/operation_runner.hpp"
#include "target/volumes/session_verification.hpp"
#include "target/volumes/staging_space.hpp"
#include "target/volumes/volume_repository.hpp"
#include "target/volumes/write_session_repository.hpp"

namespace mk::volumes {

struct OpenSession {
    JobId job_id;
    VolumeId volume_id;
    Bytes length = 0;
    std::string kind;
    bool expect_zero = false;
    Bytes expected_bytes = 0;
    std::optional<JobId> resume_of{};  ///< take over the open session of this job, which has ended
};

struct WriteSessionView {
    WriteSessionRow row;
    std::string nbd_uri;      ///< empty unless open
    std::string export_name;  ///< the same
    bool has_writes = true;   ///< false: certainly nothing was written through it
};

struct Committed {
    std::string digest;
    Bytes bytes = 0;  ///< of data that was applied (staged) or touched units (direct)
};

class WriteSessionService {
  public:
    struct Parts {
        VolumeRepository& volumes;
        WriteSessionRepository& sessions;
        const DeviceLocator& locator;
        const DigestMap& digests;
        NbdServer& server;
        KeyLocks& locks;
    };
    WriteSessionService(Parts parts, StagingOptions staging);
    ~WriteSessionService();

    /// Opens again what was open as far as its device is there already, removes overlays that belong to nobody. Returns
    /// the sessions whose commit must be continued. Waits for nothing.
    std::vector<WriteSessionId> resume();
    /// The job's own session of that volume, the one it takes over, or a new one; its clients until now are cut. A
    /// session whose staged changes are gone, and one to be taken over that has another kind or length, is aborted and
    /// a new one opened.
    WriteSessionView open(const OpenSession& request, const std::stop_token& stop);
    WriteSessionView get(const WriteSessionId& id) const;
    std::vector<WriteSessionView> list_of_job(const JobId& job_id) const;
    /// Ranges whose content, as the session would read it now, has another digest. Cuts its clients first: what was
    /// compared does not change any more.
    std::vector<Range> verify(const WriteSessionId& id, const std::vector<RangeDigest>& expected,
                              const Progress& progress);
    Committed commit(const WriteSessionId& id, const Progress& progress);
    /// The volume of an open staged session is untouched. One that is committing is refused (Error{conflict}) unless
    /// its staged changes are gone or `gives_up`: the volume is between two points then, has no digest, and needs a
    /// full copy.
    void abort(const WriteSessionId& id, const std::stop_token& stop, bool gives_up = false);
    StagingState staging() const { return staging_->state(); }

  private:
    Device device_of(const VolumeId& volume_id, std::chrono::milliseconds limit, const std::stop_token& stop) const;
    void check_request(const OpenSession& request, const VolumeRow& volume) const;
    std::shared_ptr<SessionBackend> make_new_backend(const WriteSessionRow& row, const Device& device,
                                                     Bytes expected) const;
    std::shared_ptr<SessionBackend> make_old_backend(const WriteSessionRow& row, const Device& device) const;
    WriteSessionView open_new(const OpenSession& request, const VolumeRow& volume, const std::stop_token& stop);
    bool refresh(const WriteSessionRow& row, const std::stop_token& stop);
    WriteSessionView take_over(const WriteSessionRow& row, const OpenSession& request, const std::stop_token& stop);
    void abort_open(const WriteSessionRow& row);
    WriteSessionView view_of(const WriteSessionRow& row) const;
    std::shared_ptr<SessionBackend> find_backend(const WriteSessionId& id) const;
    std::shared_ptr<SessionBackend> require_backend(const WriteSessionRow& row, const std::stop_token& stop);
    void keep(const WriteSessionId& id, std::shared_ptr<SessionBackend> backend);
    void drop(const WriteSessionId& id);
    std::shared_ptr<SessionBackend> reopen(const WriteSessionRow& row, std::chrono::milliseconds limit,
                                           const std::stop_token& stop);
    void try_reopen(const WriteSessionId& id);
    std::shared_ptr<SessionBackend> close_for_commit(const WriteSessionRow& row, const std::stop_token& stop);
    Committed apply_staged(const WriteSessionRow& row, const BlockDevice& device, const Progress& progress);
    void give_up(const WriteSessionRow& row, const Error& reason);
    Committed finish_commit(const WriteSessionRow& row, const std::shared_ptr<SessionBackend>& backend,
                            const Progress& progress);

    Parts parts_;
    const std::shared_ptr<StagingSpace> staging_;
    mutable std::mutex open_mutex_;
    std::map<WriteSessionId, std::shared_ptr<SessionBackend>> open_;
};

}  // namespace mk::volumes

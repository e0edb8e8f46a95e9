#pragma once
// Write sessions: the only way data reaches a replica (architecture.md decisions 6 and 11).
//
//   direct   writes go to the device at once: the first copy into a volume, or a full copy again
//   staged   writes go to an overlay; commit applies it, abort leaves the volume untouched
//
//   open --commit--> committing --applied--> committed        open --abort--> aborted
//   committing --staged changes damaged, or gone and abort--> aborted: the volume needs a full copy
//
// An export exists exactly while its session is open. A session in "committing" is finished by the next start of the
// daemon. Commit runs under the volume's key lock (operation runner), open and abort take it themselves. Thread-safe.

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
#include "target/volumes/volume_repository.hpp"
#include "target/volumes/write_session_repository.hpp"

namespace mk::volumes {

class SessionBackend;

struct StagingOptions {
    std::string folder;
    Bytes reserve = 256 * MiB;  ///< stays free on the staging file system
    Bytes quota = 0;            ///< of all overlays together; 0: only the file system limits
};

struct OpenSession {
    JobId job_id;
    VolumeId volume_id;
    Bytes length = 0;
    std::string kind;
    bool expect_zero = false;
    Bytes expected_bytes = 0;
};

struct WriteSessionView {
    WriteSessionRow row;
    std::string nbd_uri;  ///< empty unless open
};

struct RangeDigest {
    Range range;
    std::string sha256;
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

    /// Opens again what was open, removes overlays that belong to nobody. Returns the sessions whose commit must be
    /// continued.
    std::vector<WriteSessionId> resume();
    WriteSessionView open(const OpenSession& request, const std::stop_token& stop);
    WriteSessionView get(const WriteSessionId& id) const;
    std::vector<WriteSessionView> list_of_job(const JobId& job_id) const;
    /// Ranges whose content, as the session would read it now, has another digest.
    std::vector<Range> verify(const WriteSessionId& id, const std::vector<RangeDigest>& expected,
                              const Progress& progress) const;
    Committed commit(const WriteSessionId& id, const Progress& progress);
    void abort(const WriteSessionId& id, const std::stop_token& stop);

  private:
    Device device_of(const VolumeId& volume_id, const std::stop_token& stop) const;
    void check_request(const OpenSession& request, const VolumeRow& volume) const;
    void check_staging_space(Bytes expected) const;
    std::shared_ptr<SessionBackend> make_backend(const WriteSessionRow& row, const Device& device, bool is_new) const;
    WriteSessionView open_new(const OpenSession& request, const VolumeRow& volume, const std::stop_token& stop);
    WriteSessionView open_again(const WriteSessionRow& row);
    WriteSessionView view_of(const WriteSessionRow& row) const;
    std::shared_ptr<SessionBackend> backend_of(const WriteSessionId& id) const;
    void keep(const WriteSessionId& id, std::shared_ptr<SessionBackend> backend, Bytes expected);
    void drop(const WriteSessionId& id);
    void reopen(const WriteSessionRow& row);
    void remove_orphans(const std::vector<WriteSessionRow>& active) const;
    std::shared_ptr<SessionBackend> close_for_commit(const WriteSessionRow& row);
    Committed apply_staged(const WriteSessionRow& row, const BlockDevice& device, const Progress& progress);
    void give_up(const WriteSessionRow& row, const Error& reason);
    Committed finish_commit(const WriteSessionRow& row, const std::shared_ptr<SessionBackend>& backend,
                            const Progress& progress);

    struct Open {
        std::shared_ptr<SessionBackend> backend;
        Bytes expected = 0;
    };

    Parts parts_;
    const StagingOptions staging_;
    mutable std::mutex open_mutex_;
    std::map<WriteSessionId, Open> open_;
};

}  // namespace mk::volumes

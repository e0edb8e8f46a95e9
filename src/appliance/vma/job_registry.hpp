#pragma once
// The jobs of this appliance: starts each of them, remembers how they ended, also over a restart. Thread-safe.
// Destruction stops all engines and waits for them.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "appliance/vma/bandwidth.hpp"
#include "appliance/vma/checkpoints.hpp"
#include "appliance/vma/job.hpp"
#include "appliance/vma/job_runner.hpp"
#include "appliance/vma/job_store.hpp"
#include "appliance/vma/ports.hpp"

namespace mk::vma {

struct JobLimits {
    std::size_t engines = 4;      ///< at once; more jobs wait
    std::size_t waiting = 256;    ///< jobs not finished; more are refused
    std::size_t finished = 1000;  ///< kept; the oldest go first
};

class JobRegistry {
  public:
    /// Jobs that the last run of the service left unfinished are now "interrupted".
    JobRegistry(const std::string& state_folder, JobLimits limits, EngineRunner& engine, VcenterGateway& vcenter,
                const Clock& clock);
    ~JobRegistry();

    /// The same attempt of a job again, or an earlier one, starts nothing. Throws Error{conflict} while an earlier
    /// attempt runs or another job copies the same machine, Error{exhausted} when too many wait.
    void start(const contracts::PassRequest& request);
    /// These throw Error{not_found} for an unknown job.
    contracts::PassProgress progress(const JobId& id) const;
    void stop(const JobId& id);
    /// Bytes per second on the wire, 0: none; from now on. Throws Error{conflict} when it has ended.
    void limit(const JobId& id, Bytes bytes_per_second);
    /// Throws Error{conflict} while it runs.
    void forget(const JobId& id);
    std::vector<contracts::PassProgress> list() const;
    /// Of all jobs together, also after a restart.
    void limit_all(Bytes bytes_per_second);
    /// What passes of this machine left to go on from is removed. Throws Error{conflict} while a job copies it.
    void forget_checkpoint(const std::string& instance_uuid);
    /// Throws Error{conflict} while a job copies this machine: its snapshot must not be taken away.
    void require_idle(const contracts::VcenterAccess& access, const std::string& moref) const;

  private:
    struct Entry {
        std::shared_ptr<Job> job;
        std::jthread thread;
    };

    void load();
    const Entry& find(const JobId& id) const;
    bool is_known(const contracts::PassRequest& request) const;
    bool shares_checkpoint(const Job& running, const Job& job) const;
    void require_place_for(const Job& job) const;
    void save_new(const Job& job);
    void save(const Job& job);  ///< the caller holds the lock
    void save_end(const Job& job);
    std::vector<std::jthread> prune();

    JobLimits limits_;
    const Clock& clock_;
    mutable std::mutex mutex_;  ///< protects the next two
    JobStore store_;
    std::map<JobId, Entry> jobs_;
    Checkpoints checkpoints_;
    Bandwidth bandwidth_;
    JobRunner runner_;
    std::jthread sharing_;  ///< last: it uses the bandwidth
};

}  // namespace mk::vma

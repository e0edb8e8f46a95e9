#pragma once
// The jobs of this appliance: starts an engine for each, as many at once as there are slots, remembers how they ended,
// also over a restart. Thread-safe. Destruction stops all engines and waits for them.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "appliance/vma/job.hpp"
#include "appliance/vma/job_store.hpp"
#include "appliance/vma/ports.hpp"
#include "appliance/vma/slots.hpp"

namespace mk::vma {

struct JobLimits {
    std::size_t engines = 4;      ///< at once; more jobs wait
    std::size_t waiting = 256;    ///< jobs not finished; more are refused
    std::size_t finished = 1000;  ///< kept; the oldest go first
};

class JobRegistry {
  public:
    /// Jobs that the last run of the service left unfinished are now "interrupted".
    JobRegistry(std::string state_folder, JobLimits limits, EngineRunner& runner, VcenterGateway& vcenter,
                const Clock& clock);
    ~JobRegistry();

    /// The same job id again starts nothing. Throws Error{conflict} while another job copies the same machine,
    /// Error{exhausted} when too many wait.
    void start(const contracts::PassRequest& request);
    /// These throw Error{not_found} for an unknown job.
    contracts::PassProgress progress(const JobId& id) const;
    void stop(const JobId& id);
    /// Throws Error{conflict} while it runs.
    void forget(const JobId& id);
    std::vector<contracts::PassProgress> list() const;
    /// Throws Error{conflict} while a job copies this machine: its snapshot must not be taken away.
    void require_idle(const contracts::VcenterAccess& access, const std::string& moref) const;

  private:
    struct Entry {
        std::shared_ptr<Job> job;
        std::jthread thread;
    };

    void load();
    const Entry& find(const JobId& id) const;
    void run(Job& job, const std::stop_token& service_stop);
    EngineExit run_engine(Job& job, const std::stop_token& stop);
    void fail(Job& job, const Error& cause);
    std::string clean_up_after_death(Job& job);
    void save_new(const Job& job);
    void save(const Job& job);  ///< the caller holds the lock
    void save_end(const Job& job);
    std::vector<std::jthread> prune();

    JobLimits limits_;
    EngineRunner& runner_;
    VcenterGateway& vcenter_;
    const Clock& clock_;
    Slots slots_;
    mutable std::mutex mutex_;  ///< protects what follows
    JobStore store_;
    std::map<JobId, Entry> jobs_;
};

}  // namespace mk::vma

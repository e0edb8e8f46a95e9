#pragma once
// Jobs over a restart of the service: one JSON file per job, without secrets. Not thread-safe.

#include <string>
#include <vector>

#include "contracts/vma_api.hpp"

namespace mk::vma {

class JobStore {
  public:
    explicit JobStore(std::string folder);

    /// Throws Error{invalid} for an id that is not letters, digits and '-', 64 at most: it becomes a file's name.
    static void check_id(const JobId& job);
    /// Where the engine's log of this job goes.
    std::string log_path(const JobId& job) const;

    void save(const contracts::PassProgress& progress);
    /// Files that cannot be read are reported in the log and left alone.
    std::vector<contracts::PassProgress> load() const;
    void remove(const JobId& job);

    /// The limit of all jobs together, in bytes per second; 0, none, when nothing was saved. Throws Error when it
    /// cannot be written.
    void save_limit(Bytes bytes_per_second);
    Bytes load_limit() const;

  private:
    std::string path(const JobId& job) const;

    std::string folder_;
};

}  // namespace mk::vma

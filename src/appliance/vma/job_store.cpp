#include "appliance/vma/job_store.hpp"

#include <algorithm>
#include <filesystem>

#include "base/log.hpp"
#include "os/file.hpp"

namespace mk::vma {

namespace {

/// Digests of a very large machine: 100 TiB are 3 million units of about 110 bytes.
constexpr Bytes longest_file = 512 * MiB;

/// Not named like a job's file.
constexpr const char* limit_file = "/limit";

bool may_be_in_id(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

JobStore::JobStore(std::string folder) : folder_(std::move(folder)) {
    os::make_folders(folder_);
}

void JobStore::check_id(const JobId& job) {
    const std::string& id = job.value;
    if (id.empty() || id.size() > 64 || !std::all_of(id.begin(), id.end(), may_be_in_id)) {
        throw Error(ErrorCode::invalid, "the job id must be 1 to 64 letters, digits or '-'");
    }
}

std::string JobStore::path(const JobId& job) const {
    return folder_ + "/" + job.value + ".json";
}
std::string JobStore::log_path(const JobId& job) const {
    return folder_ + "/" + job.value + ".log";
}

void JobStore::save(const contracts::PassProgress& progress) {
    os::write_file_atomically(path(progress.job_id), json::dump(contracts::to_json(progress)));
}

std::vector<contracts::PassProgress> JobStore::load() const {
    std::vector<contracts::PassProgress> jobs;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        if (entry.path().extension() != ".json") {
            continue;
        }
        try {
            contracts::PassProgress job =
                contracts::pass_progress_from(json::parse(os::read_file(entry.path(), longest_file)));
            check_id(job.job_id);  // it becomes a path when the job is forgotten
            jobs.push_back(std::move(job));
        } catch (const std::exception& caught) {
            log::warn("event=job_file_unreadable path={} cause=\"{}\"", entry.path().string(),
                      as_error(caught).cause());
        }
    }
    return jobs;
}

void JobStore::remove(const JobId& job) {
    os::remove_file(path(job));
    os::remove_file(log_path(job));
    os::remove_file(log_path(job) + ".1");
}

void JobStore::save_limit(Bytes bytes_per_second) {
    os::write_file_atomically(folder_ + limit_file,
                              json::dump(contracts::to_json(contracts::RateLimit{bytes_per_second})));
}

Bytes JobStore::load_limit() const {
    const std::string path = folder_ + limit_file;
    if (!std::filesystem::exists(path)) {
        return 0;
    }
    try {
        return contracts::rate_limit_from(json::parse(os::read_file(path))).bytes_per_second;
    } catch (const std::exception& caught) {
        log::warn("event=limit_file_unreadable path={} cause=\"{}\": no limit until the next one is set", path,
                  as_error(caught).cause());
        return 0;
    }
}

}  // namespace mk::vma

#include "control/reconcile/lookout.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "base/retry.hpp"
#include "control/reconcile/comparison.hpp"

namespace mk::reconcile {

namespace {

std::set<JobId> jobs_in(const Reality& reality) {
    std::set<JobId> jobs;
    for (const auto& source : reality.sources) {
        for (const auto& snapshot : source.snapshots) {
            if (!snapshot.job_id.empty()) {
                jobs.insert(snapshot.job_id);
            }
        }
    }
    return jobs;
}

/// A token that fires with the outer one, or after the limit.
class TimeLimit {
  public:
    TimeLimit(std::chrono::milliseconds limit, const std::stop_token& stop)
        : forward_(stop, [this] { both_.request_stop(); }), timer_([this, limit](const std::stop_token& ended) {
              if (pause(limit, ended)) {
                  is_over_ = true;
                  both_.request_stop();
              }
          }) {}
    std::stop_token token() const { return both_.get_token(); }
    bool is_over() const { return is_over_; }

  private:
    std::stop_source both_;
    std::atomic<bool> is_over_ = false;
    std::stop_callback<std::function<void()>> forward_;
    std::jthread timer_;
};

/// Runs `ask`; what went wrong is noted instead of thrown.
template <class Ask>
bool answers(Unreachable site, Reality& reality, std::chrono::milliseconds limit, const std::stop_token& stop,
             Ask ask) {
    const TimeLimit timer(limit, stop);
    try {
        ask(timer.token());
        return true;
    } catch (const std::exception& caught) {
        const auto error = as_error(caught);
        if (error.code() == ErrorCode::cancelled && !timer.is_over()) {
            throw error;
        }
        site.problem = timer.is_over() ? "it did not answer within " + format_duration(limit) : error.cause();
        reality.unreachable.push_back(std::move(site));
        return false;
    }
}

}  // namespace

Reality Lookout::reality(const std::stop_token& stop) const {
    Reality seen;
    const auto limit = use_.pacing.site_limit;
    answers({.site = ledger::Site::target, .name = "CloudStack", .problem = {}}, seen, limit, stop,
            [&](const std::stop_token& token) { seen.target = use_.target.look(token); });
    std::set<std::string> asked;
    for (const auto& credential : use_.credentials.list()) {
        if (!credential.vcenter_uuid.empty() && asked.contains(credential.vcenter_uuid)) {
            continue;  // two accounts of one vCenter
        }
        const bool is_answered = answers(
            {.site = ledger::Site::source, .name = credential.name, .problem = {}}, seen, limit, stop,
            [&](const std::stop_token& token) {
                seen.sources.push_back(use_.source.find_snapshots(use_.credentials.access(credential.id), token));
            });
        if (is_answered) {
            asked.insert(seen.sources.back().vcenter_uuid);
        } else {
            seen.silent_vcenters.insert(credential.vcenter_uuid);
        }
    }
    // One of several accounts may have been enough.
    std::erase_if(seen.silent_vcenters, [&](const std::string& uuid) { return asked.contains(uuid); });
    return seen;
}

Look Lookout::look(const std::stop_token& stop) const {
    auto before = reader_.read();
    Look look{.reality = reality(stop), .seen = {}};
    auto after = reader_.read();
    before.known_jobs = after.known_jobs = reader_.known_of(jobs_in(look.reality));
    look.seen = agreed(compare(before, look.reality), compare(after, look.reality));
    return look;
}

Look Lookout::look_at(const Observation& object, const JobId& own_job, const std::stop_token& stop) const {
    Look look;
    const auto vcenter = source_reference_from(object.object_id).vcenter_uuid;
    if (object.site == ledger::Site::target) {
        look.reality.target = use_.target.look(stop);
    } else {
        // An entry whose vCenter is not known any more was looked for in all of them.
        for (const auto& credential : use_.credentials.list()) {
            if (object.kind == Kind::missing || credential.vcenter_uuid == vcenter) {
                look.reality.sources.push_back(
                    use_.source.find_snapshots(use_.credentials.access(credential.id), stop));
            }
        }
    }
    auto records = reader_.read(own_job);
    records.known_jobs = reader_.known_of(jobs_in(look.reality));
    look.seen = compare(records, look.reality);
    return look;
}

contracts::VcenterAccess Lookout::access_to(const std::string& vcenter_uuid) const {
    for (const auto& credential : use_.credentials.list()) {
        if (credential.vcenter_uuid == vcenter_uuid) {
            return use_.credentials.access(credential.id);
        }
    }
    throw Error(
        ErrorCode::not_found, "there are no credentials for the vCenter " + vcenter_uuid,
        {.consequence = "Nothing was removed.", .remedy = "Add them: migratekit vcenter add", .retry_safe = true});
}

}  // namespace mk::reconcile

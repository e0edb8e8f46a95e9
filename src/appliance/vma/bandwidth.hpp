#pragma once
// Shares the tunnel's limit among the running jobs and tells each engine its part. Thread-safe.
//
// A job that uses clearly less than its part is held to what it used in the last seconds and some more; the others get
// the rest. When it needs more it reaches the end of its part, and has its fair part again a moment later.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "appliance/vma/fair_shares.hpp"
#include "appliance/vma/ports.hpp"
#include "base/clock.hpp"
#include "model/ids.hpp"

namespace mk::vma {

class Bandwidth {
  public:
    /// `total` in bytes per second; 0: no limit.
    Bandwidth(Bytes total, const Clock& clock) : clock_(clock), total_(total) {}

    /// All jobs together.
    void set_total(Bytes bytes_per_second);

    struct Member {
        int priority = 0;
        Bytes cap = 0;  ///< the job's own limit; 0: none
        CommandLine send;
    };
    /// The job runs from now on; its engine is told its part at once. `send` may be called until leave() returns.
    void join(const JobId& job, Member member);
    void leave(const JobId& job);
    /// These do nothing for a job that does not run.
    void set_cap(const JobId& job, Bytes bytes_per_second);
    /// What the job's engine has moved on the wire so far.
    void measured(const JobId& job, Bytes wire_bytes);

    /// Divides anew by what was measured.
    void update();
    /// Calls update() every two seconds while there is something to share, until stopped.
    void keep_current(const std::stop_token& stop);

  private:
    struct Sample {
        Instant at;
        Bytes bytes;
    };
    struct Sharer {
        Member member;
        std::deque<Sample> samples{};  ///< of the last seconds, and one older
        std::optional<Bytes> told{};   ///< what its engine was told last
    };

    /// Whether a part that rises by next to nothing is told as well.
    enum class Precision { exact, noticeable };
    void divide(Precision precision);
    std::vector<Bytes> shares() const;
    void tell_changes(const std::vector<Bytes>& shares, Precision precision);
    Claim claim_of(const Sharer& sharer, Instant now, Bytes idle_demand) const;
    static std::optional<double> rate_of(const Sharer& sharer, Instant now);
    static void tell(const JobId& job, Sharer& sharer, Bytes share);

    const Clock& clock_;
    std::mutex mutex_;  ///< protects what follows
    std::condition_variable_any changed_;
    Bytes total_;
    std::map<JobId, Sharer> sharers_;
};

}  // namespace mk::vma

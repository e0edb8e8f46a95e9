#pragma once
// What the lanes of one disk share: its endpoints, its work, its results. Thread-safe.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "engine/copier.hpp"
#include "engine/work_list.hpp"

namespace mk::engine {

class DiskCopy {
  public:
    explicit DiskCopy(const DiskTask& task);

    const std::string& name() const { return task_.name; }
    const Plan& plan() const { return *task_.plan; }
    WorkList& work() { return work_; }
    const WorkList& work() const { return work_; }
    Bytes max_write() const { return task_.sink->max_request(); }
    Bytes resumed() const { return resumed_; }
    bool takes_several_lanes() const { return task_.sink->has_multi_conn(); }

    /// Opens the source and begins to measure; the first lane to come does it, others wait.
    void start(const std::stop_token& stop);
    std::unique_ptr<block::ReadChannel> open_reader(const std::stop_token& stop);
    struct Writer {
        std::unique_ptr<block::WriteChannel> channel;
        std::string instance;
    };
    /// One after the other, so that the instance is the one of this channel.
    Writer open_writer(const std::stop_token& stop);
    /// Until a writer was opened, nothing is left to be done, or a moment has passed: a lane that is not needed leaves
    /// the first connection to one that is.
    void wait_for_first_writer(const std::stop_token& stop);
    std::unique_ptr<TargetDigests> open_digests(const std::stop_token& stop);

    /// What a lane waits for to pass, while it does; "" when all is well.
    std::string trouble() const;

    /// These runs are durable. `differences` is where the target differed, in them or elsewhere; again perhaps.
    void add_durable(std::span<const RunDigest> runs, std::span<const Range> differences);
    /// All lanes are gone: closes the source.
    void close();
    /// The result, proven to cover the plan.
    CopyOutcome outcome(const CopyCounts& counts, bool takes_digests);

  private:
    friend class Trouble;
    void prove(const CopyOutcome& outcome, bool takes_digests) const;

    const DiskTask& task_;
    WorkList work_;
    Bytes resumed_ = 0;
    std::mutex opening_;
    std::condition_variable_any opened_;
    bool has_writer_ = false;  ///< under opening_
    std::mutex starting_;
    std::shared_ptr<block::BlockSource> source_;
    mutable std::mutex mutex_;
    std::size_t troubled_ = 0;  ///< lanes
    std::string trouble_;
    std::vector<RunDigest> digests_;
    std::vector<Range> differences_;
    std::jthread measuring_;  // last: it uses the others
};

/// A lane waits for a lost connection as long as this lives.
class Trouble {
  public:
    /// `what` was lost, because of `cause`.
    Trouble(DiskCopy& disk, std::string_view what, const Error& cause);
    ~Trouble();
    Trouble(const Trouble&) = delete;
    Trouble& operator=(const Trouble&) = delete;

  private:
    DiskCopy& disk_;
};

}  // namespace mk::engine

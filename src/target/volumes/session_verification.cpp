#include "target/volumes/session_verification.hpp"

#include <mutex>

#include <fmt/core.h>

#include "target/volumes/content_digests.hpp"
#include "target/volumes/worker_team.hpp"

namespace mk::volumes {
namespace {

void require_within(Range range, Bytes size) {
    if (range.offset > size || range.length > size - range.offset) {
        throw Error(ErrorCode::invalid,
                    fmt::format("the range {}+{} reaches beyond the disk", range.offset, range.length));
    }
}

/// Says how far several threads are together.
class SharedProgress {
  public:
    SharedProgress(const Progress& progress, std::size_t count) : progress_(progress), count_(count) {}
    void add_one() {
        const std::lock_guard lock(mutex_);
        ++done_;
        progress_.say("Reading back", 100.0 * static_cast<double>(done_) / static_cast<double>(count_));
    }

  private:
    const Progress& progress_;
    const std::size_t count_;
    std::mutex mutex_;
    std::size_t done_ = 0;
};

}  // namespace

std::vector<Range> find_mismatches(SessionBackend& content, const std::vector<RangeDigest>& expected,
                                   const Progress& progress) {
    for (const auto& [range, digest] : expected) {
        require_within(range, content.size());
    }
    content.flush();
    content.forget_cached();
    SharedProgress told(progress, expected.size());
    std::vector<char> differs(expected.size(), 0);  // not bool: written by several threads
    do_parts(expected.size(), usual_workers, [&]() -> PartWork {
        const auto buffer = std::make_shared<AlignedBuffer>(digest_read_size);
        return [&, buffer](std::size_t part) {
            if (progress.stop().stop_requested()) {
                throw Error(ErrorCode::cancelled, "stopped while verifying");
            }
            const auto& [range, digest] = expected[part];
            differs[part] = run_digest(read_leaf_digests(content, range, *buffer)) != digest ? 1 : 0;
            told.add_one();
        };
    });
    std::vector<Range> mismatches;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (differs[i] != 0) {
            mismatches.push_back(expected[i].range);
        }
    }
    return mismatches;
}

}  // namespace mk::volumes

#pragma once
// The batches that a lane took and that are not durable yet, in order of the disk. One thread.

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/batch.hpp"

namespace mk::engine {

/// A part of a unit that must be done once more.
struct Redo {
    Batch* batch = nullptr;
    std::uint32_t unit = 0;
    Range range;  ///< of a unit that is read: within one leaf
};

class HeldBatches {
  public:
    void add(std::unique_ptr<Batch> batch);
    bool is_empty() const { return held_.empty(); }
    std::size_t size() const { return held_.size(); }

    /// The one to go on with; nothing when all were walked to the end.
    Batch* current() { return walking_.empty() ? nullptr : walking_.front(); }
    bool has_current() const { return !walking_.empty(); }
    /// The current one is walked to the end.
    void leave_current() { walking_.pop_front(); }

    /// The parts of units that lie in `lost`. Their batches are open again.
    void reopen(Range lost, std::vector<Redo>& redo);
    /// All must be done again.
    void rewind();
    /// Takes those out of which everything was handled.
    std::vector<std::unique_ptr<Batch>> take_complete();

  private:
    std::vector<std::unique_ptr<Batch>> held_;
    std::deque<Batch*> walking_;
};

/// Of a unit of the result whose batch is complete.
RunDigest digest_of(const Batch& batch, const Unit& unit);

}  // namespace mk::engine

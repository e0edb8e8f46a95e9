#pragma once
// Copies a sealed overlay into its volume. Idempotent: it may be cut off anywhere and begun again from the start.

#include <functional>
#include <stop_token>
#include <vector>

#include "target/volumes/digest_map.hpp"
#include "target/volumes/overlay.hpp"

namespace mk::volumes {

/// Where to; an interface so that tests can fail at the n-th write. Called by several threads at once when there are
/// several workers.
class ApplyTarget {
  public:
    virtual ~ApplyTarget() = default;
    virtual void write(Bytes offset, std::span<const std::byte> data) = 0;
    virtual void zero(Range range) = 0;
    virtual void flush() = 0;
};

struct Applied {
    Bytes data_bytes = 0;
    Bytes zero_bytes = 0;
    std::vector<Range> touched;
    std::vector<ExpectedLeaves> whole_leaves;  ///< what was written to all of a leaf
};

struct ApplyOptions {
    unsigned workers = 1;
    std::stop_token stop;
    std::function<void(double percent)> on_progress;  ///< one call at a time
};

/// True when the journal has its seal.
bool is_sealed(const OverlayFiles& files);

/// The target is flushed when this returns. Throws Error{corrupt} when the overlay is not sealed or a piece has not the
/// digest it was sealed with (nothing of that piece is written), Error{conflict} when it is not there, Error{cancelled}
/// when stopped between two pieces.
Applied apply_overlay(const OverlayFiles& files, const JournalHeader& expected, ApplyTarget& target,
                      const ApplyOptions& options = {});

}  // namespace mk::volumes

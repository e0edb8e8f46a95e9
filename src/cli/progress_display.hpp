#pragma once
// Shows how jobs get on: bars that redraw themselves on a terminal, one line per stage and every 10 % elsewhere, or one
// JSON object per line. One thread.

#include <memory>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "cli/session.hpp"

namespace mk::cli {

class ProgressDisplay {
  public:
    virtual ~ProgressDisplay() = default;
    /// All followed jobs as the API shows them now.
    virtual void update(const std::vector<Json>& jobs) = 0;
    /// A sentence between the progress, e.g. that the OMA does not answer.
    virtual void note(const std::string& text) = 0;
    /// The block of bars is removed; the outcome follows.
    virtual void finish() {}
};

/// The right one for the session's outputs.
std::unique_ptr<ProgressDisplay> make_progress_display(Session& session);

}  // namespace mk::cli

#pragma once
// Findings in the database (table reconcile_findings). A finding keeps its id and its age as long as every run sees it,
// and leaves with the first one that does not. Thread-safe.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "control/reconcile/finding.hpp"
#include "db/database.hpp"

namespace mk::reconcile {

/// A finding is shown from the second run on that sees it: an object that one run sees may just be in the making.
inline constexpr std::int64_t sightings_needed = 2;

class FindingRepository {
  public:
    FindingRepository(std::shared_ptr<db::Database> database, const Clock& clock);

    /// What a run saw. Findings that it did not see leave, except those that `keeps` wants as they are. An object that
    /// is older than `settled_age` is shown at once.
    void store(const std::vector<Observation>& seen, const std::function<bool(const Observation&)>& keeps,
               std::chrono::milliseconds settled_age);
    /// Those that are shown, oldest first.
    std::vector<Finding> list() const;
    std::optional<Finding> find(const std::string& id) const;
    /// Of those that are shown.
    std::size_t count_of(const VmContextId& vm) const;
    /// Ids of machines with a finding that is shown.
    std::vector<VmContextId> machines() const;
    void remove(const Observation& observation);

    /// A clone whose creation was recorded and never answered.
    void forget_unmade_clone(const std::string& row_id);

  private:
    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::reconcile

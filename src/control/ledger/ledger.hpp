#pragma once
// The ledger: every object that we create outside (decision 5). An entry is written before the object is created,
// confirmed with its id, and closes only when the object's absence was seen, or when the object was handed over to the
// operator. Thread-safe; several processes share it through the database.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"

namespace mk::ledger {

enum class Site { source, target };
enum class State { intended, present, gone, handed_over };

struct Entry {
    std::string id;
    Site site = Site::target;
    std::string kind;       ///< vsphere_snapshot, volume, volume_snapshot, machine
    std::string name;       ///< the name it has or will have at its site: unique enough to find it again
    std::string object_id;  ///< empty while only intended
    VmContextId vm_context_id;
    JobId job_id;
    State state = State::intended;
    Instant created{};
};

std::string_view to_string(Site site);
std::string_view to_string(State state);

class Ledger {
  public:
    Ledger(std::shared_ptr<db::Database> database, const Clock& clock);

    /// The same (site, kind, name) that is open is returned again, so a repeated step makes no second entry.
    std::string intend(Site site, const std::string& kind, const std::string& name, const VmContextId& vm_context_id,
                       const JobId& job_id);
    void confirm(const std::string& id, const std::string& object_id);
    /// By entry id: the absence was seen.
    void gone(const std::string& id);
    /// By object: every open entry of that kind with that object id. No error when there is none.
    void object_gone(const std::string& kind, const std::string& object_id);
    /// By name, for objects whose id was never learned.
    void name_gone(const std::string& kind, const std::string& name);
    /// By entry id: the object exists and belongs to the operator from now on. The entry is kept, so that whoever meets
    /// the object knows that it is not a left-over of ours. Nothing happens to an entry that is not open.
    void hand_over(const std::string& id);

    /// Everything that is ours, oldest first; of one machine when given.
    std::vector<Entry> open_entries(const std::optional<VmContextId>& vm_context_id = {}) const;
    /// Everything that was made by us and belongs to the operator now.
    std::vector<Entry> handed_over_entries() const;

  private:
    std::vector<Entry> entries_where(const std::string& condition, const db::Parameters& parameters) const;

    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::ledger

#pragma once
// Notes of commands that change something outside (table external_effects): who sent what about which object, the
// asynchronous job it became, and how it ended. A note without an end is one whose process died, or whose job outlived
// our patience: what it asked for may still happen. Notes hold names and ids, never parameters. Thread-safe; processes
// share the table.
//
//   begin --> intended --submitted--> submitted --ended--> done, failed, unknown
//                 `--ended--> done (a command without a job), refused, unknown

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "db/database.hpp"
#include "model/effect_journal.hpp"

namespace mk::ledger {

struct Effect {
    std::string id;
    std::string process;       ///< "oma-api", "volume-daemon"
    std::string command;       ///< "detachVolume"
    std::string object;        ///< what it is about: an id, or the name of what is to be made
    std::string object_id;     ///< of what it made, where that was told; otherwise empty
    std::string async_job_id;  ///< empty: none, or its answer was never seen
    std::string state;         ///< intended, submitted, done, refused, failed, unknown
    Instant created{};

    bool is_open() const { return state == "intended" || state == "submitted"; }
};

class Effects final : public EffectJournal {
  public:
    /// `process` is noted with every command.
    Effects(std::shared_ptr<db::Database> database, const Clock& clock, std::string process);

    std::string begin(const std::string& command, const std::string& object) override;
    void submitted(const std::string& note, const std::string& async_job, const std::string& object) override;
    /// Throws Error{internal} for a word that is no outcome. A note that has ended stays as it is.
    void ended(const std::string& note, const std::string& outcome) override;

    /// Without an end, of every process, about any of `objects` (ids or names); oldest first.
    std::vector<Effect> open_of(const std::vector<std::string>& objects) const;
    /// Without an end, of this process' name. Before its first command: what a former run left.
    std::vector<Effect> open_of_this_process() const;
    /// Everything about any of `objects` that began at `since` or later; oldest first.
    std::vector<Effect> of(const std::vector<std::string>& objects, Instant since) const;

    /// Of this process' name, whatever their state: CloudStack itself forgets its jobs after a day.
    void forget_older_than(std::chrono::days age);

  private:
    const std::shared_ptr<db::Database> database_;
    const Clock& clock_;
    const std::string process_;
};

}  // namespace mk::ledger

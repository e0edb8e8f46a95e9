#pragma once
// Where a command that changes something outside is noted before it is sent, and its asynchronous job before it is
// waited for (cloudstack.md section 9.2). After a restart the notes tell what may still be under way. Implemented by
// control/ledger; used by the CloudStack client. Thread-safe.

#include <string>

namespace mk {

class EffectJournal {
  public:
    virtual ~EffectJournal() = default;
    /// Returns the note's id. `object` is what the command is about: an id, or the name of what is to be made.
    virtual std::string begin(const std::string& command, const std::string& object) = 0;
    /// The other side took the command: its job, and the object where it is known already (may be empty).
    virtual void submitted(const std::string& note, const std::string& async_job, const std::string& object) = 0;
    /// `outcome`: "done", "refused", "failed", or "unknown" (the answer was lost). A note without an end is one whose
    /// process died.
    virtual void ended(const std::string& note, const std::string& outcome) = 0;
};

}  // namespace mk

#pragma once
// What a Client notes of its commands in a journal that may be absent. What has been sent cannot be taken back: from
// then on a journal that fails is logged and nothing else. Internal to target/cloudstack. Thread-safe as the journal
// is.

#include <string>

#include "base/error.hpp"
#include "model/effect_journal.hpp"
#include "target/cloudstack/client.hpp"

namespace mk::cloudstack {

class CommandNotes {
  public:
    explicit CommandNotes(EffectJournal* journal) : journal_(journal) {}

    /// The note's id; empty without a journal. Throws what the journal throws: the command must not be sent then.
    std::string begin(const std::string& command, const Parameters& parameters) const;
    void submitted(const JobHandle& job) const;
    void ended(const std::string& note, const char* outcome) const;
    /// Of a command whose answer was `error`: refused, unless nobody knows.
    void not_taken(const std::string& note, const Error& error) const;

  private:
    template <class Write>
    void keep(const std::string& note, const Write& write) const;

    EffectJournal* journal_;
};

}  // namespace mk::cloudstack

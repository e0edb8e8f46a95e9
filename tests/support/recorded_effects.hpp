#pragma once
// An effect journal that remembers in memory, and can be made to fail. One caller.

#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "model/effect_journal.hpp"

namespace mk::test {

class RecordedEffects : public EffectJournal {
  public:
    struct Note {
        std::string command;
        std::string object;
        std::string async_job;
        std::string object_id;
        std::string outcome;  ///< empty while it is open
    };

    std::string begin(const std::string& command, const std::string& object) override {
        fail_if(fails_to_begin);
        notes.push_back({command, object, "", "", ""});
        return std::to_string(notes.size());
    }
    void submitted(const std::string& note, const std::string& async_job, const std::string& object) override {
        fail_if(fails_afterwards);
        at(note).async_job = async_job;
        at(note).object_id = object;
    }
    void ended(const std::string& note, const std::string& outcome) override {
        fail_if(fails_afterwards);
        at(note).outcome = outcome;
    }

    std::vector<Note> notes;
    bool fails_to_begin = false;
    bool fails_afterwards = false;

  private:
    static void fail_if(bool wanted) {
        if (wanted) {
            throw Error(ErrorCode::exhausted, "the disk of the database is full");
        }
    }
    Note& at(const std::string& note) { return notes.at(std::stoul(note) - 1); }
};

}  // namespace mk::test

#pragma once
// What a former run of this daemon began at CloudStack and did not see the end of. Such a command may take effect late:
// a detach that ends after the volume was attached elsewhere clears the newer attachment (cloudstack.md section 11). So
// the first operation on an object waits for it; objects that nobody asks for again are not waited for. Thread-safe.

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "model/effect_journal.hpp"
#include "target/cloudstack/client.hpp"
#include "target/volumes/operation_runner.hpp"
#include "target/volumes/ports.hpp"

namespace mk::volumes {

class UnfinishedCommands {
  public:
    /// `journal` may be absent; the ends are noted in it. `limit` is of one job: longer than CloudStack lets a command
    /// to a host take.
    UnfinishedCommands(std::vector<UnfinishedCommand> commands, EffectJournal* journal,
                       std::chrono::milliseconds limit = std::chrono::minutes{35})
        : journal_(journal), limit_(limit), commands_(std::move(commands)) {}

    /// Returns when none of them that is about one of `objects` (ids or names) can take effect any more as far as can
    /// be told. Throws Error{timeout} (retry-safe) when one is still under way after the limit.
    void settle(const cloudstack::Client& client, const std::vector<std::string>& objects, const Progress& progress);

  private:
    std::vector<UnfinishedCommand> about(const std::vector<std::string>& objects) const;
    void settle_one(const cloudstack::Client& client, const UnfinishedCommand& command, const Progress& progress) const;
    void note_unknown(const UnfinishedCommand& command) const;
    void forget(const std::string& note);

    EffectJournal* const journal_;
    const std::chrono::milliseconds limit_;
    mutable std::mutex commands_mutex_;
    std::vector<UnfinishedCommand> commands_;
};

}  // namespace mk::volumes

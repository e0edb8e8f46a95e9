#pragma once
// The engines' checkpoint files: what passes that ended before their time have already copied, one file per machine.
// They are written and read by the engines; here they are named and removed. Thread-safe.

#include <string>

#include "base/clock.hpp"

namespace mk::vma {

class Checkpoints {
  public:
    /// The folder is made (0700) when it is absent.
    Checkpoints(std::string folder, const Clock& clock);

    /// Where the engine keeps the checkpoint of the machine; "" for a machine without instance uuid, which has none.
    std::string path(const std::string& instance_uuid) const;
    /// No error when there is none.
    void forget(const std::string& instance_uuid);
    /// Removes what nobody has written to for 14 days: change tracking and sessions do not live that long. The folder
    /// is ours alone; what an engine that died left beside its checkpoint goes as well.
    void remove_old();

  private:
    std::string folder_;
    const Clock& clock_;
};

}  // namespace mk::vma

#pragma once
// Puts together what a pass tells its listener. One thread. What is done never falls.

#include <string>

#include "engine/copier.hpp"
#include "engine/pass.hpp"

namespace mk::engine {

class ProgressBoard {
  public:
    ProgressBoard(const PassOrder& order, ProgressCallback listener);

    void set_stage(std::string_view stage);
    void set_sync_type(std::string_view sync_type);
    /// "Flushing" is shown once every disk has handed over everything.
    void set_status(const CopyStatus& status);

  private:
    void tell();

    ProgressCallback listener_;
    Progress progress_;
};

}  // namespace mk::engine

#pragma once
// Proof that a machine booted: an answer from its network. What was seen is kept as evidence, word for word.
// Thread-safe.

#include "control/failover/ports.hpp"

namespace mk::oma {

class BootProbe : public failover::BootCheck {
  public:
    failover::BootEvidence observe(const failover::CloudMachine& machine, const std::string& probe,
                                   std::chrono::seconds limit, const std::stop_token& stop) override;
    void check(const std::string& probe) override;
};

}  // namespace mk::oma

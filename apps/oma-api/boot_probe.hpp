#pragma once
// Proof that a machine booted: an answer from its network. What was seen is kept as evidence, word for word.
// Thread-safe.

#include "control/failover/ports.hpp"

namespace mk::oma {

class BootProbe : public failover::BootCheck {
  public:
    struct Pacing {
        std::chrono::milliseconds interval{2'000};      ///< between two tries
        std::chrono::milliseconds answer_limit{5'000};  ///< of one try
    };
    BootProbe() = default;
    explicit BootProbe(Pacing pacing) : pacing_(pacing) {}

    failover::BootEvidence observe(const failover::CloudMachine& machine, const std::string& probe,
                                   std::chrono::seconds limit, const std::stop_token& stop) override;
    void check(const std::string& probe) override;

  private:
    Pacing pacing_{};
};

}  // namespace mk::oma

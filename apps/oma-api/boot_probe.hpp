#pragma once
// Proof that a machine booted: answers from its network. What was seen is kept as evidence, word for word, with its
// time. CloudStack's view of the machine is observed beside it, and is never a proof. Thread-safe.

#include <functional>

#include "control/failover/ports.hpp"

namespace mk::oma {

class BootProbe : public failover::BootCheck {
  public:
    struct Pacing {
        std::chrono::milliseconds interval{2'000};      ///< between two tries
        std::chrono::milliseconds answer_limit{5'000};  ///< of one try
        std::chrono::milliseconds look{10'000};         ///< between two looks at CloudStack
    };
    /// The machine as CloudStack sees it now; nothing when it is gone.
    using Look = std::function<std::optional<failover::CloudMachine>(const CloudMachineId&, const std::stop_token&)>;

    explicit BootProbe(Look look) : BootProbe(std::move(look), Pacing()) {}
    BootProbe(Look look, Pacing pacing) : look_(std::move(look)), pacing_(pacing) {}

    /// failed: a probe did not answer in time, or the machine stopped meanwhile. not_proven: no probe, or no address to
    /// send one to.
    failover::BootEvidence observe(const failover::CloudMachine& machine, const failover::BootExpectation& expected,
                                   const std::stop_token& stop) override;
    /// Also Error{unavailable} when a ping is asked for and the program is not installed.
    void check(const failover::BootExpectation& expected) override;

  private:
    const Look look_;
    const Pacing pacing_{};
};

}  // namespace mk::oma

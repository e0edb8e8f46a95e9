#pragma once
// The life of one job from its queue to its end: a slot, an engine with its part of the bandwidth, and the clean-up
// after an engine that died. Thread-safe: one thread per job calls run().

#include <cstddef>
#include <stop_token>
#include <string>

#include "appliance/vma/bandwidth.hpp"
#include "appliance/vma/checkpoints.hpp"
#include "appliance/vma/job.hpp"
#include "appliance/vma/ports.hpp"
#include "appliance/vma/slots.hpp"

namespace mk::vma {

class JobRunner {
  public:
    /// What it uses must outlive it.
    JobRunner(std::size_t engines, EngineRunner& engine, VcenterGateway& vcenter, Bandwidth& bandwidth,
              const Checkpoints& checkpoints)
        : slots_(engines), engine_(engine), vcenter_(vcenter), bandwidth_(bandwidth), checkpoints_(checkpoints) {}

    /// Returns when the job has ended, whatever came of it. Stopped by its operator it is "cancelled", by the service
    /// "interrupted".
    void run(Job& job, const std::stop_token& service_stop);

  private:
    EngineExit run_engine(Job& job, const std::stop_token& stop);
    void fail(Job& job, const Error& cause);
    std::string clean_up_after_death(Job& job);

    Slots slots_;
    EngineRunner& engine_;
    VcenterGateway& vcenter_;
    Bandwidth& bandwidth_;
    const Checkpoints& checkpoints_;
};

}  // namespace mk::vma

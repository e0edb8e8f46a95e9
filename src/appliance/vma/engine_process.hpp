#pragma once
// EngineRunner on the program migratekit-engine, one process per job.

#include <chrono>
#include <string>

#include "appliance/vma/ports.hpp"

namespace mk::vma {

struct EngineProcessOptions {
    std::string program;       ///< path of migratekit-engine
    std::string appliance_id;  ///< marks our snapshots
    std::string log_folder;    ///< each job's engine log goes to <job>.log in there, that of the attempt before to
                               ///< <job>.log.1
    std::string vddk_library_folder{};  ///< for the engine's choice of a reader; empty = without VDDK
    std::string tunnel_folder{};        ///< identity and pairing for the engine's tunnel; empty = without tunnel
    /// After a stop request, for removing the snapshot; then the engine is killed. More than the engine's own limit.
    std::chrono::milliseconds stop_limit = std::chrono::minutes{6};
    Bytes longest_log = 16 * MiB;  ///< of a job; more is not kept
};

class EngineProcess : public EngineRunner {
  public:
    explicit EngineProcess(EngineProcessOptions options) : options_(std::move(options)) {}
    EngineExit run(const EngineTask& task, const EngineCallbacks& callbacks, const std::stop_token& stop) override;

  private:
    EngineProcessOptions options_;
};

}  // namespace mk::vma

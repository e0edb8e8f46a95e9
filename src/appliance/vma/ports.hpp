#pragma once
// What the VMA needs from the world. Implemented in apps/vma-api on vSphere, by fakes in tests.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "contracts/vma_api.hpp"
#include "model/source_machine.hpp"

namespace mk::vma {

struct Discovered {
    std::string vcenter_uuid;
    std::string version;
    std::vector<SourceMachine> machines;
};

struct Swept {
    std::vector<std::string> removed;
    std::vector<std::string> remaining;
};

struct FoundSnapshots {
    std::string vcenter_uuid;
    std::vector<contracts::SourceSnapshot> snapshots;
};

/// A vCenter, reached anew by each call with the credentials that come with it. Thread-safe. Each call ends within a
/// time limit.
class VcenterGateway {
  public:
    virtual ~VcenterGateway() = default;
    virtual Discovered discover(const contracts::VcenterAccess& access, const std::string& filter,
                                const std::stop_token& stop) = 0;
    virtual contracts::PowerState power(const contracts::PowerRequest& request, const std::stop_token& stop) = 0;
    virtual Swept sweep(const contracts::VcenterAccess& access, const std::string& moref,
                        const std::stop_token& stop) = 0;
    /// Those that are named like ours, of every machine.
    virtual FoundSnapshots snapshots(const contracts::VcenterAccess& access, const std::stop_token& stop) = 0;
    /// Error{forbidden} when it is not ours; no error when it is gone.
    virtual void remove_snapshot(const contracts::SnapshotRemoval& removal, const std::stop_token& stop) = 0;
    virtual std::vector<std::string> readers() const = 0;
};

struct EngineExit {
    int code = -1;
    int signal = 0;
    std::string last_output;  ///< for the error message of an engine that died without a word
};

/// Gives a line to a running engine. Thread-safe, never blocks; false when the engine does not take it any more. May be
/// called after the engine's end.
using CommandLine = std::function<bool(const std::string& line)>;

struct EngineTask {
    JobId job;
    int attempt = 1;
    std::string order;            ///< holds the password: it goes to the engine's stdin only
    std::string checkpoint_file;  ///< empty: it keeps none
};

struct EngineCallbacks {
    std::function<void(CommandLine)> on_start;  ///< the order was handed over; commands go behind it
    std::function<void(const std::string& line)> on_event;
};

/// Runs one engine to its end. Thread-safe. A stop request asks the engine to stop and waits until it has removed its
/// snapshot.
class EngineRunner {
  public:
    virtual ~EngineRunner() = default;
    /// The callbacks run on the caller's thread. Throws Error when the engine cannot be started.
    virtual EngineExit run(const EngineTask& task, const EngineCallbacks& callbacks, const std::stop_token& stop) = 0;
};

}  // namespace mk::vma

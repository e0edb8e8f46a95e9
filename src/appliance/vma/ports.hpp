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
    virtual std::vector<std::string> readers() const = 0;
};

struct EngineExit {
    int code = -1;
    int signal = 0;
    std::string last_output;  ///< for the error message of an engine that died without a word
};

/// Runs one engine to its end. Thread-safe. A stop request asks the engine to stop and waits until it has removed its
/// snapshot.
class EngineRunner {
  public:
    virtual ~EngineRunner() = default;
    /// `order` holds the password: it goes to the engine's stdin only. Throws Error when the engine cannot be started.
    virtual EngineExit run(const JobId& job, const std::string& order,
                           const std::function<void(const std::string& line)>& on_event,
                           const std::stop_token& stop) = 0;
};

}  // namespace mk::vma

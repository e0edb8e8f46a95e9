#pragma once
// For each paired VMA a unix socket (0600) at which its API can be reached: FOLDER/APPLIANCE_ID.sock. They appear and
// vanish with the pairings, within a second. Whoever connects there speaks to vma-api as if it were local.

#include <functional>
#include <map>
#include <stop_token>
#include <string>

#include "os/file.hpp"
#include "tunnel/pairing_store.hpp"

namespace mk::tunnel {

/// One thread at a time.
class ControlSockets {
  public:
    using Connected = std::function<void(const std::string& appliance_id, os::Descriptor local)>;

    /// Makes the folder (0700).
    ControlSockets(std::string folder, Connected connected);
    /// Removes the sockets.
    ~ControlSockets();
    ControlSockets(const ControlSockets&) = delete;
    ControlSockets& operator=(const ControlSockets&) = delete;

    /// Makes the sockets be those of the pairings.
    void follow(const std::vector<Pairing>& pairings);
    /// Waits for connections until then, or until stopped. Throws Error{external} when the machine has no descriptor
    /// left for one that waits: pause before the next call.
    void serve_until(std::chrono::steady_clock::time_point deadline, const std::stop_token& stop);

  private:
    std::string path_of(const std::string& appliance_id) const;

    const std::string folder_;
    const Connected connected_;
    std::map<std::string, os::Descriptor> listeners_;  ///< by appliance id
};

}  // namespace mk::tunnel

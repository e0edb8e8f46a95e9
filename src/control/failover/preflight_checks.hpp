#pragma once
// The themes of the preflight, one source file each. Private to preflight. Each writes what it finds; what cannot be
// checked is a blocker, because nothing is called ready that was not verified.

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "control/failover/preflight.hpp"

namespace mk::failover {

class Checks {
  public:
    explicit Checks(std::vector<Finding>& findings) : findings_(findings) {}

    void note(const std::string& code, const std::string& text);
    void warn(const std::string& code, const std::string& text, const std::string& remedy);
    void block(const std::string& code, const std::string& text, const std::string& remedy);
    void add(Finding finding) { findings_.push_back(std::move(finding)); }
    /// False when the check itself failed; then `code` is a blocker with the failure's text. Cancellation goes through.
    bool attempt(const std::string& code, const std::function<void()>& check);

  private:
    std::vector<Finding>& findings_;
};

/// What is checked, read once.
struct Subject {
    Collaborators& use;
    const machines::Machine& machine;
    const FailoverRequest& request;
    PreflightScope scope;
    std::stop_token stop;
    std::optional<RecoveryPoint> point{};
    std::vector<machines::MachineDisk> disks{};
    std::vector<contracts::Volume> volumes{};  ///< by check_volumes()

    const std::string& name() const { return machine.source.name; }
};

// preflight_state.cpp
void check_state(const Subject& subject, Checks& checks);
void check_source_power(const Subject& subject, Checks& checks);
// preflight_copy.cpp
void check_recovery_point(const Subject& subject, Checks& checks);
void check_volumes(Subject& subject, Checks& checks);
void check_staging(const Subject& subject, Checks& checks);
// preflight_cloud.cpp
void check_networks(const Subject& subject, const std::vector<NicOrder>& nics, Checks& checks);
void check_name(const Subject& subject, Checks& checks);
void check_capacity(const Subject& subject, const std::vector<NicOrder>& nics, Checks& checks);
// preflight_guest.cpp
void check_boot_disk(const Subject& subject, Checks& checks);
void check_guest(const Subject& subject, Checks& checks);
void check_probes(const Subject& subject, Checks& checks);

}  // namespace mk::failover

#pragma once
// Every command, one file per noun. They ask the API and show what it says; rules live in the OMA.

#include <vector>

#include "cli/command.hpp"

namespace mk::cli {

/// In the order of the overview.
std::vector<Command> all_commands();
std::vector<Noun> all_nouns();

std::vector<Command> sign_in_commands();           ///< login, logout, config
std::vector<Command> appliance_commands();         ///< status, version, api, ledger, token
std::vector<Command> source_appliance_commands();  ///< appliance
std::vector<Command> vcenter_commands();
std::vector<Command> cloudstack_commands();
std::vector<Command> discover_commands();
std::vector<Command> vm_commands();
std::vector<Command> sync_commands();
std::vector<Command> failover_commands();
std::vector<Command> cleanup_commands();
std::vector<Command> network_commands();    ///< network, volume
std::vector<Command> reconcile_commands();  ///< volume reconcile
std::vector<Command> limit_commands();
std::vector<Command> job_commands();

/// "job show" and "sync show".
ExitCode show_job(Session& session, const Input& input);

}  // namespace mk::cli

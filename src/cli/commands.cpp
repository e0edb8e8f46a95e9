#include "cli/commands.hpp"

namespace mk::cli {

std::vector<Command> all_commands() {
    std::vector<Command> all;
    for (const auto& some :
         {sign_in_commands(), appliance_commands(), source_appliance_commands(), vcenter_commands(),
          cloudstack_commands(), discover_commands(), vm_commands(), sync_commands(), failover_commands(),
          cleanup_commands(), network_commands(), reconcile_commands(), limit_commands(), job_commands()}) {
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

std::vector<Noun> all_nouns() {
    return {{"appliance", "The VMAs at the source sites: pairing and state."},
            {"vcenter", "The vCenters that machines come from."},
            {"cloudstack", "The CloudStack that machines go to."},
            {"discover", "What is at the source."},
            {"vm", "Managed machines."},
            {"sync", "Copies of machines, kept up to date."},
            {"failover", "Rehearsing and moving machines."},
            {"cleanup", "Rolling back what a broken failover left."},
            {"network", "Which CloudStack network stands for which source network."},
            {"volume", "Volumes that hold the copies."},
            {"limit", "How fast copies may go between the sites."},
            {"job", "What runs and what ran."},
            {"ledger", "Objects that exist because of us, on both sides."},
            {"token", "Access for people and scripts."}};
}

}  // namespace mk::cli

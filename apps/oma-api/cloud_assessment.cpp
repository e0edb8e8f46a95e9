#include "cloud_assessment.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>

#include <arpa/inet.h>

#include "cloud_limits.hpp"
#include "target/cloudstack/discovery_commands.hpp"

namespace mk::oma {

namespace {

/// KVM's limit beside the root disk (cloudstack.md section 5.2).
constexpr std::size_t most_data_disks = 32;

class Assessment {
  public:
    Assessment(const cloudstack::Client& client, const settings::CloudStackSettings& settings,
               const failover::CloudNeeds& needs, const std::stop_token& stop)
        : discovery_(client), machines_(client), settings_(settings), needs_(needs), stop_(stop) {}

    std::vector<Finding> findings() {
        look("the capabilities of CloudStack", [&] { capabilities(); });
        look("the service offerings", [&] { offering(); });
        look("the networks", [&] { cards(); });
        look("the limits of the account", [&] {
            const auto limits = assess_limits(discovery_, needs_, stop_);
            findings_.insert(findings_.end(), limits.begin(), limits.end());
        });
        look("the VM snapshots of the appliance's machine", [&] { own_machine(); });
        if (needs_.snapshots.size() > most_data_disks + 1) {
            block("too_many_disks",
                  std::to_string(needs_.snapshots.size()) +
                      " disks: CloudStack gives a machine on KVM a root disk and " + std::to_string(most_data_disks) +
                      " others",
                  "Join disks at the source.");
        }
        return std::move(findings_);
    }

  private:
    /// What this account may not read is told; whatever else goes wrong is the caller's.
    void look(const std::string& what, const std::function<void()>& part) {
        try {
            part();
        } catch (const Error& error) {
            const bool is_refused = error.code() == ErrorCode::forbidden ||
                                    error.code() == ErrorCode::unauthenticated || error.native() == "432";
            if (!is_refused) {
                throw;
            }
            note("not_readable", what + " cannot be read with these keys, so nothing is known of them");
        }
    }
    void note(const std::string& code, const std::string& text) {
        findings_.push_back({Severity::note, code, text, {}});
    }
    void warn(const std::string& code, const std::string& text, const std::string& remedy) {
        findings_.push_back({Severity::warning, code, text, remedy});
    }
    void block(const std::string& code, const std::string& text, const std::string& remedy) {
        findings_.push_back({Severity::blocker, code, text, remedy});
    }

    void capabilities();
    void offering();
    void fixed_offering(const cloudstack::ServiceOfferingInfo& offering);
    void chosen_size(const cloudstack::ServiceOfferingInfo& offering);
    void cards();
    void address(const failover::NicOrder& nic, const cloudstack::NetworkInfo& network);
    void macs();
    void own_machine();

    const cloudstack::DiscoveryCommands discovery_;
    const cloudstack::MachineCommands machines_;
    const settings::CloudStackSettings& settings_;
    const failover::CloudNeeds& needs_;
    const std::stop_token stop_;
    std::vector<Finding> findings_;
};

void Assessment::capabilities() {
    const auto known = discovery_.capabilities(stop_);
    if (has_unsafe_snapshots(known.version)) {
        warn("old_cloudstack",
             "CloudStack " + known.version +
                 ": volume snapshots of this release need a file on primary storage, so they "
                 "do not survive its loss",
             "Upgrade CloudStack to 4.18.2, 4.19 or later.");
    } else {
        note("cloudstack", "CloudStack " + known.version + " answers");
    }
    if (!known.user_may_expunge_machines) {
        note("no_expunge",
             "This account may not expunge machines: after a rollback the machine stays \"Destroyed\" "
             "until the cloud expunges it");
    }
    for (const auto size : needs_.new_volumes) {
        if (known.largest_custom_gib != 0 && gib_rounded_up(size) > known.largest_custom_gib) {
            block("volume_too_large",
                  "a volume of " + format_bytes(size) + " is needed, CloudStack makes none above " +
                      std::to_string(known.largest_custom_gib) + " GiB",
                  "Have custom.diskoffering.size.max raised in CloudStack.");
        }
    }
}

void Assessment::offering() {
    const auto offerings = discovery_.service_offerings(settings_.zone_id, stop_);
    const auto found = std::find_if(offerings.begin(), offerings.end(),
                                    [&](const auto& o) { return o.id == settings_.service_offering_id; });
    if (found == offerings.end()) {
        block("offering_missing", "the service offering that is configured does not exist any more",
              "Choose another one: migratekit cloudstack connect");
    } else if (found->is_customized) {
        chosen_size(*found);
    } else {
        fixed_offering(*found);
    }
}

std::string size_text(int cpus, int memory_mib) {
    return std::to_string(cpus) + " CPUs and " + format_bytes(static_cast<Bytes>(memory_mib) * MiB);
}

void Assessment::fixed_offering(const cloudstack::ServiceOfferingInfo& offering) {
    const auto& machine = needs_.machine;
    const auto text = "the offering " + offering.name + " gives " + size_text(offering.cpus, offering.memory_mib) +
                      ", the source has " + size_text(machine.cpus, machine.memory_mb);
    if (offering.cpus < machine.cpus || offering.memory_mib < machine.memory_mb) {
        warn("offering_smaller", text, "Choose a larger or a customized offering: migratekit cloudstack connect");
    } else {
        note("offering", text);
    }
}

void Assessment::chosen_size(const cloudstack::ServiceOfferingInfo& offering) {
    const auto& machine = needs_.machine;
    const auto fits = [](int wanted, int fixed, int least, int most) {
        return fixed != 0 || (wanted >= least && (most == 0 || wanted <= most));
    };
    const auto wanted = size_text(machine.cpus, machine.memory_mb);
    if (fits(machine.cpus, offering.cpus, offering.min_cpus, offering.max_cpus) &&
        fits(machine.memory_mb, offering.memory_mib, offering.min_memory_mib, offering.max_memory_mib)) {
        note("offering", "The machine gets " + wanted + " by the offering " + offering.name);
        return;
    }
    block("offering_too_small",
          "the source has " + wanted + ", the offering " + offering.name + " allows " +
              size_text(offering.min_cpus, offering.min_memory_mib) + " to " +
              size_text(offering.max_cpus, offering.max_memory_mib),
          "Choose another offering: migratekit cloudstack connect");
}

void Assessment::cards() {
    const auto networks = discovery_.networks(settings_.zone_id, stop_);
    for (const auto& nic : needs_.machine.nics) {
        const auto found =
            std::find_if(networks.begin(), networks.end(), [&](const auto& n) { return n.id == nic.network_id; });
        if (found != networks.end()) {  // one that is not there is found by others
            note("network", "Network card on " + found->name + " (" + found->type +
                                (found->cidr.empty() ? "" : ", " + found->cidr) + ")");
            address(nic, *found);
        }
    }
    macs();
}

void Assessment::address(const failover::NicOrder& nic, const cloudstack::NetworkInfo& network) {
    if (nic.address.empty()) {
        return;
    }
    if (network.type == "L2") {
        block("address_on_l2",
              "the network " + network.name + " is of type L2, where CloudStack gives no address " + nic.address,
              "Leave the address out and set it in the guest.");
    } else if (is_in_network(nic.address, network.cidr) == false) {
        block("address_outside", nic.address + " is not in the network " + network.name + " (" + network.cidr + ")",
              "Choose an address of that network, or none.");
    } else if (!is_in_network(nic.address, network.cidr)) {
        if (in_addr parsed{}; ::inet_pton(AF_INET, nic.address.c_str(), &parsed) != 1) {
            block("address_invalid", "'" + nic.address + "' is no IPv4 address", "Write it as 192.0.2.10.");
        }
    }
}

std::string plain_mac(const std::string& text) {
    std::string kept;
    for (const char c : text) {
        if (std::isxdigit(static_cast<unsigned char>(c)) != 0) {
            kept += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        }
    }
    return kept;
}

void Assessment::macs() {
    const auto& nics = needs_.machine.nics;
    if (std::all_of(nics.begin(), nics.end(), [](const auto& nic) { return nic.mac.empty(); })) {
        return;
    }
    for (const auto& machine : discovery_.machines_with_cards(stop_)) {
        for (const auto& card : machine.nics) {
            const bool is_taken = std::any_of(nics.begin(), nics.end(), [&](const auto& nic) {
                return !nic.mac.empty() && plain_mac(nic.mac) == plain_mac(card.mac);
            });
            if (is_taken) {
                warn("mac_taken",
                     "the MAC address " + card.mac + " belongs to the machine " + machine.name + " already",
                     "CloudStack refuses an address that is used in the zone: remove that machine, or leave "
                     "--keep-mac out.");
            }
        }
    }
}

void Assessment::own_machine() {
    if (settings_.appliance_vm_id.empty()) {
        return;
    }
    const auto names = machines_.vm_snapshots(settings_.appliance_vm_id, stop_);
    if (names.empty()) {
        return;
    }
    std::string list;
    for (const auto& name : names) {
        list += (list.empty() ? "" : ", ") + name;
    }
    block("appliance_vm_snapshot",
          "the appliance's own machine has VM snapshots (" + list +
              "): CloudStack attaches and detaches no volume while "
              "it has any",
          "Delete them in CloudStack; they hold nothing that MigrateKit needs.");
}

}  // namespace

std::vector<Finding> assess_cloud(const cloudstack::Client& client, const settings::CloudStackSettings& settings,
                                  const failover::CloudNeeds& needs, const std::stop_token& stop) {
    return Assessment(client, settings, needs, stop).findings();
}

std::optional<bool> is_in_network(const std::string& address, const std::string& cidr) {
    const auto slash = cidr.find('/');
    in_addr wanted{};
    in_addr network{};
    unsigned bits = 0;
    if (slash == std::string::npos || ::inet_pton(AF_INET, address.c_str(), &wanted) != 1 ||
        ::inet_pton(AF_INET, cidr.substr(0, slash).c_str(), &network) != 1) {
        return std::nullopt;
    }
    const auto* const end = cidr.data() + cidr.size();
    const auto [stopped, error] = std::from_chars(cidr.data() + slash + 1, end, bits);
    if (error != std::errc() || stopped != end || bits > 32) {
        return std::nullopt;
    }
    const std::uint32_t mask = bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
    return (ntohl(wanted.s_addr) & mask) == (ntohl(network.s_addr) & mask);
}

bool has_unsafe_snapshots(const std::string& version) {
    std::array<int, 3> parts{};
    const char* at = version.data();
    const char* const end = at + version.size();
    for (auto& part : parts) {
        const auto [stopped, error] = std::from_chars(at, end, part);
        if (error != std::errc()) {
            break;
        }
        at = stopped == end ? end : stopped + 1;
    }
    return parts[0] == 4 && (parts[1] == 17 || (parts[1] == 18 && parts[2] < 2));
}

}  // namespace mk::oma

// The limits of an account (cloudstack.md section 10). Nobody tells limit and use in one answer on every release: the
// limits come from listResourceLimits, the use from listAccounts, and where that is silent from counting.

#include <algorithm>

#include "target/cloudstack/discovery_commands.hpp"
#include "target/cloudstack/machine_json.hpp"

namespace mk::cloudstack {
namespace {

struct Kind {
    int type;
    const char* total;  ///< in the answer of listAccounts
};
constexpr Kind kinds[] = {
    {0, "vmtotal"},     {2, "volumetotal"},          {3, "snapshottotal"},         {8, "cputotal"},
    {9, "memorytotal"}, {10, "primarystoragetotal"}, {11, "secondarystoragetotal"}};

/// The account that the keys belong to.
Json own_account(const Client& client, const std::stop_token& stop) {
    const auto found = client.list("listAccounts", {}, "account", stop);
    return found.size() == 1 ? found.front() : Json::object();
}

std::int64_t sum_of(const Json& list, const char* field) {
    std::int64_t sum = 0;
    for (const auto& object : list) {
        sum += number_field(object, field).value_or(0);
    }
    return sum;
}

/// Without "listall" only the account's own objects are listed.
std::optional<std::int64_t> counted(const Client& client, int type, const std::stop_token& stop) {
    const auto size = [](const Json& list) { return static_cast<std::int64_t>(list.size()); };
    switch (type) {
        case 0:
            return size(client.list("listVirtualMachines", {{"details", "min"}}, "virtualmachine", stop));
        case 2:
            return size(client.list("listVolumes", {}, "volume", stop));
        case 3:
            return size(client.list("listSnapshots", {}, "snapshot", stop));
        case 8:
            return sum_of(client.list("listVirtualMachines", {{"details", "min"}}, "virtualmachine", stop),
                          "cpunumber");
        case 9:
            return sum_of(client.list("listVirtualMachines", {{"details", "min"}}, "virtualmachine", stop), "memory");
        case 10:
            return static_cast<std::int64_t>(
                gib_rounded_up(static_cast<Bytes>(sum_of(client.list("listVolumes", {}, "volume", stop), "size"))));
        default:
            return std::nullopt;  // of secondary storage only CloudStack knows what is used
    }
}

}  // namespace

std::vector<ResourceLimit> DiscoveryCommands::limits(const std::stop_token& stop) const {
    std::vector<ResourceLimit> limits;
    Json account;
    for (const auto& json : client_.list("listResourceLimits", {}, "resourcelimit", stop)) {
        const auto type = number_field(json, "resourcetype").value_or(-1);
        const auto most = number_field(json, "max").value_or(-1);
        const auto* const kind =
            std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& known) { return known.type == type; });
        if (kind == std::end(kinds) || most < 0) {
            continue;  // -1: no limit
        }
        if (account.is_null()) {
            account = own_account(client_, stop);
        }
        const auto total = number_field(account, kind->total);
        limits.push_back({kind->type, most, total ? total : counted(client_, kind->type, stop)});
    }
    return limits;
}

}  // namespace mk::cloudstack

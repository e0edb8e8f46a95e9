#include "cloud_limits.hpp"

namespace mk::oma {

namespace {

Bytes sum_of(const std::vector<Bytes>& sizes) {
    Bytes sum = 0;
    for (const auto size : sizes) {
        sum += size;
    }
    return sum;
}

const char* name_of(int type) {
    switch (type) {
        case 0:
            return "machines";
        case 2:
            return "volumes";
        case 3:
            return "snapshots";
        case 8:
            return "CPUs";
        case 9:
            return "MiB of memory";
        case 10:
            return "GiB of primary storage";
        default:
            return "GiB of secondary storage";
    }
}

std::int64_t needed(int type, const failover::CloudNeeds& needs) {
    const auto gib = [](const std::vector<Bytes>& sizes) {
        return static_cast<std::int64_t>(gib_rounded_up(sum_of(sizes)));
    };
    switch (type) {
        case 0:
            return 1;
        case 2:
            return static_cast<std::int64_t>(needs.new_volumes.size()) + 1;  // the machine's default root, for a while
        case 3:
            return static_cast<std::int64_t>(needs.snapshots.size());
        case 8:
            return needs.machine.cpus;
        case 9:
            return needs.machine.memory_mb;
        case 10:
            return gib(needs.new_volumes);
        default:
            return gib(needs.snapshots);
    }
}

}  // namespace

std::vector<Finding> assess_limits(const cloudstack::DiscoveryCommands& discovery, const failover::CloudNeeds& needs,
                                   const std::stop_token& stop) {
    constexpr int secondary_storage = 11;
    std::vector<Finding> findings;
    for (const auto& limit : discovery.limits(stop)) {
        const auto wanted = needed(limit.type, needs);
        const std::string name = name_of(limit.type);
        if (!limit.used) {
            findings.push_back({Severity::note,
                                "limit_unknown",
                                "Of the limit of " + std::to_string(limit.most) + " " + name +
                                    " it is not told how much is used; " + std::to_string(wanted) + " are needed",
                                {}});
        } else if (*limit.used + wanted > limit.most) {
            const auto text = "the account may have " + std::to_string(limit.most) + " " + name + " and uses " +
                              std::to_string(*limit.used) + "; " + std::to_string(wanted) + " more are needed";
            // What a snapshot takes on secondary storage is its data, not the size of its volume.
            const bool is_guess = limit.type == secondary_storage;
            findings.push_back({is_guess ? Severity::warning : Severity::blocker,
                                is_guess ? "limit_tight" : "limit_reached", text,
                                "Have the limit raised in CloudStack, or remove something."});
        }
    }
    return findings;
}

}  // namespace mk::oma

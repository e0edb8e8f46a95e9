// Which wishes make no sense, before anything is asked of anybody.

#include <algorithm>
#include <set>

#include <arpa/inet.h>

#include "base/error.hpp"
#include "control/failover/failover_plan.hpp"

namespace mk::failover {

namespace {

constexpr std::size_t most_probes = 16;
constexpr std::size_t longest_expected_text = 4096;

[[noreturn]] void refuse(const std::string& cause, const std::string& remedy) {
    throw Error(ErrorCode::invalid, cause,
                {.consequence = "Nothing was changed.", .remedy = remedy, .retry_safe = true});
}

bool has_repetition(const std::vector<std::string>& words) {
    std::set<std::string> seen;
    return std::any_of(words.begin(), words.end(),
                       [&](const auto& word) { return !word.empty() && !seen.insert(word).second; });
}

bool is_address(const std::string& text) {
    in6_addr parsed{};  // has room for both
    return inet_pton(AF_INET, text.c_str(), &parsed) == 1 || inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

void check_networks(const FailoverRequest& request) {
    if (has_repetition(request.network_ids)) {
        refuse("a network is named twice", "CloudStack gives a machine one card per network: name each once.");
    }
    if (has_repetition(request.addresses)) {
        refuse("an address is given twice", "Give each card an address of its own.");
    }
    if (!request.network_ids.empty() && request.addresses.size() > request.network_ids.size()) {
        refuse(std::to_string(request.addresses.size()) + " addresses are given for " +
                   std::to_string(request.network_ids.size()) + " networks",
               "Give one address per network at most, in their order.");
    }
    for (const auto& address : request.addresses) {
        if (!address.empty() && !is_address(address)) {
            refuse("'" + address + "' is no IP address", "Write it as 10.1.2.3 or fd00::1.");
        }
    }
}

void check_boot(const BootExpectation& boot) {
    check_duration("the boot time limit", boot.limit);
    if (boot.probes.size() > most_probes) {
        refuse(std::to_string(boot.probes.size()) + " probes are too many",
               "Name " + std::to_string(most_probes) + " at most.");
    }
    if (boot.text.size() > longest_expected_text) {
        refuse("the expected text is too long", "Expect " + std::to_string(longest_expected_text) + " bytes at most.");
    }
    const bool has_answer = std::any_of(boot.probes.begin(), boot.probes.end(), [](const std::string& probe) {
        return probe.starts_with("http:") || probe.starts_with("tcp:");
    });
    if (!boot.text.empty() && !has_answer) {
        refuse("a text is expected, but no probe gets an answer that could hold it",
               "Add one, e.g. --probe http:80/ or --probe tcp:22");
    }
}

void check_end_of_test(const FailoverRequest& request) {
    if (request.test_duration) {
        check_duration("the test duration", *request.test_duration);
    }
    if (request.auto_cleanup && !request.test_duration) {
        refuse("the test is to be rolled back by itself, but not when", "Say when, e.g. --rollback-after 4h");
    }
    if (request.live && (request.test_duration || request.auto_cleanup)) {
        refuse("a live failover has no end that a clock could know",
               "End it with: migratekit failover commit, or migratekit failover back");
    }
}

}  // namespace

void check_duration(const char* name, std::chrono::seconds value) {
    if (value.count() <= 0 || value > longest_duration) {
        refuse(std::string(name) + " must be between 1 second and 30 days", "Give another duration.");
    }
}

void check_request(const FailoverRequest& request) {
    if (request.live && request.on_clones) {
        refuse("a live failover cannot run on clones: what it changes would not be the copy",
               "Rehearse on clones with a test, then fail over without --on-clones.");
    }
    if (!request.live && request.force_power_off) {
        refuse("a test does not switch the source off, so it cannot be forced to", "Leave --force-power-off out.");
    }
    check_duration("the shutdown time limit", request.shutdown_limit);
    check_boot(request.boot);
    check_networks(request);
    check_end_of_test(request);
}

}  // namespace mk::failover

#include "cli/pairing_wait.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "base/retry.hpp"

namespace mk::cli {

namespace {

using json::value_or;

constexpr std::chrono::seconds look_interval{1};
// A code lives for ten minutes; the clocks of the two sides may differ.
constexpr std::chrono::minutes longest_wait{11};
// The code is used up a moment before the pairing can be seen.
constexpr int looks_without_code = 3;

Json appliances_of(const Json& answer) {
    return value_or<Json>(answer, "appliances", Json::array());
}

bool is_same_pairing(const Json& a, const Json& b) {
    const auto text = [](const Json& object, const char* field) { return value_or<std::string>(object, field, ""); };
    return text(a, "appliance_id") == text(b, "appliance_id") && text(a, "paired_at") == text(b, "paired_at");
}

}  // namespace

std::optional<Json> newly_paired(const Json& before, const Json& after) {
    const auto known = appliances_of(before);
    for (const auto& appliance : appliances_of(after)) {
        if (std::none_of(known.begin(), known.end(),
                         [&](const Json& one) { return is_same_pairing(one, appliance); })) {
            return appliance;
        }
    }
    return std::nullopt;
}

PairingOutcome wait_for_pairing(Session& session, const Json& before) {
    const auto start = session.now();
    int without_code = 0;
    bool is_told = false;
    while (session.now() - start < longest_wait && without_code < looks_without_code) {
        if (!pause(look_interval, session.stop())) {
            return {.is_interrupted = true};
        }
        try {
            const auto answer = session.api().get("/api/v1/appliances");
            if (auto found = newly_paired(before, answer)) {
                return {.appliance = std::move(found)};
            }
            without_code = value_or<int>(answer, "open_invitations", 0) == 0 ? without_code + 1 : 0;
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                return {.is_interrupted = true};
            }
            if (!error.retryable()) {
                throw;
            }
            if (!is_told) {
                session.say("The OMA does not answer, trying again: " + error.cause());
            }
            is_told = true;
        }
    }
    return {};
}

}  // namespace mk::cli

#pragma once
// Waiting until the code of a pairing was used.

#include <optional>

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "cli/session.hpp"

namespace mk::cli {

struct PairingOutcome {
    std::optional<Json> appliance{};  ///< as the API shows it; nothing when nobody came
    bool is_interrupted = false;
};

/// The appliance in `after` that is not in `before`, or is there with an older pairing; both as GET /api/v1/appliances
/// answers.
std::optional<Json> newly_paired(const Json& before, const Json& after);
/// Looks every second until somebody has paired, no code works any more, or it is interrupted. An OMA that does not
/// answer is asked again for as long as a code lives.
PairingOutcome wait_for_pairing(Session& session, const Json& before);

}  // namespace mk::cli

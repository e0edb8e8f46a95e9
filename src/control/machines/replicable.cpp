#include "control/machines/replicable.hpp"

#include "base/error.hpp"

namespace mk::machines {

void require_replicable(const SourceMachine& machine) {
    for (const auto& finding : machine.findings) {
        if (finding.severity == Severity::blocker) {
            throw Error(ErrorCode::conflict, machine.name + " cannot be replicated: " + finding.text,
                        {.consequence = "Nothing was changed.", .remedy = finding.remedy, .retry_safe = true})
                .with_native(finding.code);
        }
    }
}

}  // namespace mk::machines

#pragma once
// The fault table of vsphere.md section 1: what each fault type means for us. Decided on the type, never on the text.

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "source/vsphere/moref.hpp"

namespace mk::vsphere {

struct Fault {
    std::string type;     ///< "TaskInProgress"
    std::string message;  ///< the server's words; may be empty
    Moref object;         ///< `obj` or `object` of the fault
    std::string privilege;
    std::string invalid_property;
    Moref task;
};

enum class FaultHandling {
    permanent,          ///< nothing changes by waiting: stop and tell
    log_in_again,       ///< one login under the session's lock, then the call again if it is idempotent
    wait_and_retry,     ///< bounded back-off; the Error is retryable()
    read_state_again,   ///< the machine is not in the state we thought: look, decide anew
    resolve_again,      ///< the object is gone
    without_quiescing,  ///< repeat without quiescing unless the operator requires it
    collect_again,      ///< view, filter or token died: build it again
};

struct FaultRule {
    std::string_view type;
    ErrorCode code;
    FaultHandling handling;
    std::string_view remedy;
};

/// The row for a type; for a type nobody listed: external, permanent.
const FaultRule& rule_for(std::string_view type);

/// Error with native() = fault type, message = operation + server's words + the fields that name the culprit.
Error to_error(const Fault& fault, std::string_view operation);

/// How an Error of this module is to be handled, by its native fault type.
FaultHandling handling_of(const Error& error);

}  // namespace mk::vsphere

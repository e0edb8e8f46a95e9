#pragma once
// CloudStack's answers: envelopes, and the error table of cloudstack.md section 2.4. Pure functions.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"

namespace mk::cloudstack {

/// What Error::native() says when nobody knows whether a command took effect: the object's state must be read.
inline constexpr std::string_view outcome_unknown = "OutcomeUnknown";
/// What Error::native() says when our patience ended before the job did: it may still take effect later.
inline constexpr std::string_view job_still_running = "JobStillRunning";

/// What Error::native() says when something on the way answered instead of CloudStack: a proxy that gave up, a server
/// that is starting. A command may have been executed behind it.
inline constexpr std::string_view foreign_answer = "ForeignAnswer";

/// True for the first two.
bool is_outcome_unknown(const Error& error);

/// The typed error for `errorcode`; native() is the code as text ("530"). `command` says what failed: a command or a
/// job.
Error error_of(int code, const std::string& text, const std::string& command);

/// The same failure with advice for this case instead of the table's.
Error with_advice(const Error& error, Advice advice);

/// The content of the single top-level key, whatever its name. Throws the typed Error when it carries an error code or
/// the status is not 200, Error{unavailable} for an answer that is not CloudStack's (a proxy, a starting server).
Json open_envelope(int http_status, const std::string& body, const std::string& command);

/// From "... retry after [1500] ms"; 1 s when the text does not say.
std::chrono::milliseconds wait_of_rate_limit(std::string_view text);

}  // namespace mk::cloudstack

#pragma once
// The one exception type. Thrown when a function cannot do what its name says; adapters translate foreign failures into
// it at the edge. Messages are read by administrators; they never contain secrets. Immutable after construction, safe
// to share.

#include <exception>
#include <string>
#include <string_view>

namespace mk {

enum class ErrorCode {
    invalid,          // the request is wrong; nothing was changed
    not_found,        // the object does not exist (any more)
    conflict,         // the object's state forbids it now
    unauthenticated,  // credentials wrong, missing or expired
    forbidden,        // known, but not allowed
    unavailable,      // the peer cannot be reached or refuses for the moment
    timeout,          // no answer within the limit: the outcome may be unknown
    cancelled,        // somebody asked us to stop
    exhausted,        // space, quota, slots or a rate limit
    corrupt,          // data is not what it must be
    external,         // the peer reported a failure of its own
    internal,         // a defect of ours
};

std::string_view to_string(ErrorCode code);
/// Throws Error{invalid} for an unknown word.
ErrorCode error_code_from(std::string_view word);

/// What an administrator needs beside the cause. Empty strings mean "nothing to say".
struct Advice {
    std::string consequence{};  ///< what it means for the data, e.g. "The last recovery point is unchanged."
    std::string remedy{};       ///< what to do now
    bool retry_safe = false;    ///< repeating the same command can do no harm
};

class Error : public std::exception {
  public:
    Error(ErrorCode code, std::string cause, Advice advice = {});

    const char* what() const noexcept override { return cause_.c_str(); }
    ErrorCode code() const noexcept { return code_; }
    const std::string& cause() const noexcept { return cause_; }
    const Advice& advice() const noexcept { return advice_; }
    /// The peer's own words or code ("530", "NotAuthenticated"), for logs and for typed handling; may be empty.
    const std::string& native() const noexcept { return native_; }
    /// True for failures that may vanish by themselves: unavailable, timeout, exhausted by a rate limit.
    bool retryable() const noexcept { return code_ == ErrorCode::unavailable || code_ == ErrorCode::timeout; }

    Error with_native(std::string native) const;
    /// The same error seen from further out: `context` + ": " + cause.
    Error within(std::string_view context) const;
    /// Adds advice where there is none yet.
    Error advised(Advice advice) const;
    /// "cause. consequence remedy" in one line, for logs and job steps.
    std::string full_text() const;

  private:
    ErrorCode code_;
    std::string cause_;
    Advice advice_;
    std::string native_;
};

/// The error behind a caught exception: itself when it is an Error, otherwise Error{internal} with its text.
Error as_error(const std::exception& caught);

}  // namespace mk

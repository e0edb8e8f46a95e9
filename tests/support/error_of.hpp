#pragma once
// Asserting on the Error that an action throws.

#include <optional>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace mk::test {

/// The Error that `action` throws; a failed assertion and Error{internal} when it throws none.
template <class Action>
Error error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "no Error was thrown";
    return Error(ErrorCode::internal, "no Error was thrown");
}

/// The code of that Error.
template <class Action>
ErrorCode code_of(Action&& action) {
    return error_of(std::forward<Action>(action)).code();
}

}  // namespace mk::test

#include "engine/release.hpp"

#include <optional>

#include "base/log.hpp"
#include "engine/time_limit.hpp"

namespace mk::engine {

namespace {

/// Consolidation of a small delta takes seconds; a hanging vCenter must not keep a stopped job forever.
constexpr std::chrono::minutes cleanup_limit{5};

/// Nothing when the snapshot is gone.
std::optional<Error> release_within_limit(FrozenMachine& machine) {
    const TimeLimit limit(cleanup_limit);
    try {
        machine.release(limit.token());
        return std::nullopt;
    } catch (const std::exception& caught) {
        const Error error = as_error(caught);
        log::error("event=snapshot_remains cause=\"{}\"", error.full_text());
        return error;
    }
}

Error with_remaining_snapshot(const Error& cause, const Error& why) {
    std::string consequence = cause.advice().consequence;
    consequence += consequence.empty() ? "" : " ";
    consequence += "Our snapshot remained at the source (" + why.cause() + "); the next sync removes it first.";
    return Error(cause.code(), cause.cause(),
                 {.consequence = consequence, .remedy = cause.advice().remedy, .retry_safe = cause.advice().retry_safe})
        .with_native(cause.native());
}

}  // namespace

Error released_after(FrozenMachine& machine, const Error& cause) {
    const std::optional<Error> failure = release_within_limit(machine);
    return failure ? with_remaining_snapshot(cause, *failure) : cause;
}

void release_after_success(FrozenMachine& machine, const std::stop_token& stop) {
    try {
        machine.release(stop);
    } catch (const std::exception& caught) {
        const Error first = as_error(caught);
        log::warn("event=release_failed cause=\"{}\": trying once more", first.full_text());
        if (const std::optional<Error> second = release_within_limit(machine)) {
            throw with_remaining_snapshot(first.within("the data was copied, but the snapshot could not be removed"),
                                          *second);
        }
    }
}

}  // namespace mk::engine

#include "control/replication/pass_options.hpp"

#include <string>

#include "base/json_fields.hpp"

namespace mk::replication {

namespace {

constexpr int priority_bound = 100;

const Advice nothing_happened = {
    .consequence = "Nothing was changed.", .remedy = "Correct the request.", .retry_safe = true};

}  // namespace

void check_options(const PassOptions& options) {
    if (options.full && options.compare) {
        throw Error(ErrorCode::invalid, "a full copy sends everything, so there is nothing to compare",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Ask for one of both: full or compare.",
                     .retry_safe = true});
    }
    if (options.priority < -priority_bound || options.priority > priority_bound) {
        throw Error(ErrorCode::invalid,
                    "the priority " + std::to_string(options.priority) + " is not between -100 and 100",
                    nothing_happened);
    }
}

Json to_json(const PassOptions& options) {
    return {{"full", options.full},
            {"compare", options.compare},
            {"priority", options.priority},
            {"bytes_per_second", options.bytes_per_second}};
}

PassOptions pass_options_from(const Json& json) {
    return {.full = json::value_or<bool>(json, "full", false),
            .compare = json::value_or<bool>(json, "compare", false),
            .priority = json::value_or<int>(json, "priority", 0),
            .bytes_per_second = json::value_or<Bytes>(json, "bytes_per_second", 0)};
}

}  // namespace mk::replication

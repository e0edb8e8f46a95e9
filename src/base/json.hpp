#pragma once
// JSON at the edges. parse() and dump() are the only places that meet foreign text.

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace mk {

using Json = nlohmann::json;

namespace json {

/// Nesting is limited to 64. Throws Error{invalid} naming line and column of the first fault.
Json parse(std::string_view text);
/// Compact by default; indent >= 0 for people. Invalid UTF-8 becomes U+FFFD.
std::string dump(const Json& value, int indent = -1);

}  // namespace json
}  // namespace mk

#pragma once
// The little text work that HTTP headers need, for client and server. Pure functions.

#include <string>
#include <string_view>

namespace mk::http {

/// ASCII only: header names know nothing else.
std::string lower_case(std::string_view text);
/// Without blanks and line ends at both ends.
std::string_view trimmed(std::string_view text);
/// A line break in a header would let its author write further headers or a second message.
bool has_line_break(std::string_view text);

}  // namespace mk::http

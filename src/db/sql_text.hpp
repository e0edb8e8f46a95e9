#pragma once
// SQL text as far as we must understand it: where statements end. Quotes and comments are respected.

#include <string>
#include <string_view>
#include <vector>

namespace mk::db {

/// The statements of `text` in order, without comments ("-- ..." and "/* ... */"), the closing ';' and surrounding
/// blanks. Throws Error{invalid} for a quote or comment that does not end.
std::vector<std::string> split_statements(std::string_view text);

}  // namespace mk::db

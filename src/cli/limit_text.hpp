#pragma once
// Windows of the bandwidth limit as people write and read them. Pure functions.

#include <string>

#include "base/json.hpp"

namespace mk::cli {

/// "mon-fri 08:00-18:00 50Mbit", "sat,sun 00:00-24:00 none", "daily 22:00-06:00 1Gbit" as the API takes a window.
/// Throws Error{invalid} for anything else; whether times and windows make sense is the OMA's business.
Json window_from(const std::string& text);
/// "mon-fri 08:00-18:00"
std::string window_text(const Json& window);
/// "100 Mbit/s (11.9 MiB/s)" of a document's "bytes_per_second"; "no limit" for null.
std::string limit_text(const Json& document);

}  // namespace mk::cli

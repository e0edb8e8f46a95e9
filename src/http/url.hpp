#pragma once
// Percent-encoding and the parts of a URL that server and client need. Pure functions.

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace mk::http {

/// Nothing when an escape is broken or stands for NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

/// The target of a request line, taken apart.
struct Target {
    std::string raw_path;
    std::string path;                          ///< decoded
    std::map<std::string, std::string> query;  ///< decoded; of repeated names the last
};

/// Origin form ("/a?b=c") and absolute form ("http://host/a"). Nothing when malformed.
std::optional<Target> parse_target(std::string_view text);

/// "host" or "host:port" of a URL, without user, path and query, which may hold secrets. "the peer" when malformed.
std::string peer_of(const std::string& url);

}  // namespace mk::http

#pragma once
// Processes that belong together although they make groups and sessions of their own: each has the same variable in its
// environment, and so have all that it starts. Internal to target/guest.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace mk::guest {

using Mark = std::pair<std::string, std::string>;  ///< name and value of the variable

/// Processes with the mark, without this one; as far as we may read it. A program that is just being started may be
/// missed.
std::vector<pid_t> marked_processes(const Mark& mark);
/// Kills them until there is none left, also none that was being started. Returns how many there were. One that waits
/// for a disk that does not answer may survive: it is logged as an error.
std::size_t end_marked_processes(const Mark& mark);
/// When the process was started, in clock ticks since boot; nothing when it does not live.
std::optional<std::string> start_time_of(pid_t pid);
/// Nothing when the text is no process id.
std::optional<pid_t> pid_from(std::string_view text);
std::string command_line_of(pid_t pid);

}  // namespace mk::guest

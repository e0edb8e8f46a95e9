#pragma once
// Secrets and consent: from files, stdin and the keyboard, never from arguments.

#include <string>

#include "base/secret.hpp"
#include "cli/command.hpp"
#include "cli/session.hpp"

namespace mk::cli {

/// Returns when the operator confirmed `name` of a machine (or other `kind`): by --confirm NAME, or typed on the
/// terminal after `consequences` were shown. Throws Error{invalid} naming the flag when neither is possible, and for
/// another name.
void require_confirmation(Session& session, const Input& input, const std::string& name,
                          const std::string& consequences, const std::string& kind = "machine");

/// Asks on a terminal whether to go on after `consequences` were shown; --yes and everything that is no terminal go on
/// without a question. Throws Error{invalid} for anything but yes.
void require_consent(Session& session, const Input& input, const std::string& consequences);

/// A secret's file, "-" for stdin. Throws Error{invalid} for one that cannot be read or is empty.
Secret read_secret(Session& session, const std::string& path);

}  // namespace mk::cli

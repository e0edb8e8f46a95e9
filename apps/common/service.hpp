#pragma once
// What the main functions of the three services share: command line, signals, logging, the exit code.

#include <functional>
#include <set>
#include <string>

#include "base/config.hpp"

namespace mk::apps {

struct Service {
    std::string name;         ///< "oma-api"
    std::string description;  ///< one line for --help
    std::set<std::string> known_keys;
    /// Runs until a termination signal has come and everything is stopped.
    std::function<void(const Config&)> serve;
};

/// `NAME --config FILE` (default /etc/migratekit/NAME.toml), --help, --version. Signals are blocked before the first
/// thread. Exit codes: 0 stopped when asked, 1 could not start or failed (the log says why), others: wrong use.
int run_service(int argc, char** argv, const Service& service);

}  // namespace mk::apps

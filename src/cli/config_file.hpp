#pragma once
// Where the OMA is and who we are: ~/.config/migratekit/config.toml (0600), overridden by the environment.
// Keys: url, token, certificate_sha256, ca_file.

#include <string>

#include "base/secret.hpp"
#include "cli/terminal.hpp"

namespace mk::cli {

struct Settings {
    std::string url;  ///< without trailing slash; empty = not signed in
    Secret token;
    std::string certificate_sha256;  ///< pin; empty = verification by authority
    std::string ca_file;             ///< PEM; empty = the system's
};

/// MIGRATEKIT_CONFIG, or config.toml in the user's configuration folder. Throws Error{invalid} without a home.
std::string config_path(const Environment& environment);
/// Empty settings when the file is absent. Throws Error{invalid} for a file that others may read, and for unknown keys.
Settings load_settings(const std::string& path);
/// Makes the folder (0700) and the file (0600).
void save_settings(const std::string& path, const Settings& settings);
/// `stored` with MIGRATEKIT_URL, MIGRATEKIT_TOKEN, MIGRATEKIT_CERTIFICATE_SHA256 and MIGRATEKIT_CA_FILE over it. The
/// stored token and certificate belong to the stored URL: they are never used for another one.
Settings with_environment(Settings stored, const Environment& environment);
/// What commands use: the file, when there is a place for one, and the environment over it. Services without a home
/// folder need the environment alone.
Settings current_settings(const Environment& environment);
/// Throws Error{invalid} unless it is "http(s)://host...". Removes trailing slashes.
std::string normal_url(std::string url);
/// Throws Error{unauthenticated} with the remedy when there is no URL or no token.
void require_signed_in(const Settings& settings);

}  // namespace mk::cli

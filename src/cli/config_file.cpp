#include "cli/config_file.hpp"

#include <filesystem>

#include <fmt/core.h>

#include "base/config.hpp"
#include "base/error.hpp"
#include "os/file.hpp"

namespace mk::cli {

namespace {

std::string toml_text(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            result += std::string("\\") + c;
        } else if (code < 0x20 || code == 0x7F) {
            result += fmt::format("\\u{:04X}", static_cast<unsigned>(code));
        } else {
            result += c;
        }
    }
    return result + "\"";
}

void require_private(const std::string& path) {
    using std::filesystem::perms;
    const auto mode = std::filesystem::status(path).permissions();
    if ((mode & (perms::group_all | perms::others_all)) != perms::none) {
        throw Error(ErrorCode::invalid, path + " holds a token and can be reached by other users",
                    {.consequence = "Nothing was sent.", .remedy = "Run: chmod 600 " + path, .retry_safe = true});
    }
}

std::string line_of(const char* key, const std::string& value) {
    return value.empty() ? "" : fmt::format("{} = {}\n", key, toml_text(value));
}

}  // namespace

std::string config_path(const Environment& environment) {
    if (const auto path = environment("MIGRATEKIT_CONFIG"); path && !path->empty()) {
        return *path;
    }
    if (const auto folder = environment("XDG_CONFIG_HOME"); folder && !folder->empty()) {
        return *folder + "/migratekit/config.toml";
    }
    const auto home = environment("HOME");
    if (!home || home->empty()) {
        throw Error(ErrorCode::invalid, "there is no home folder for the configuration",
                    {.consequence = "Nothing was changed.", .remedy = "Set MIGRATEKIT_CONFIG.", .retry_safe = true});
    }
    return *home + "/.config/migratekit/config.toml";
}

Settings load_settings(const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return {};
    }
    require_private(path);
    const auto config = Config::load(path, {"url", "token", "certificate_sha256", "ca_file"});
    return {.url = config.get("url", ""),
            .token = Secret(config.get("token", "")),
            .certificate_sha256 = config.get("certificate_sha256", ""),
            .ca_file = config.get("ca_file", "")};
}

void save_settings(const std::string& path, const Settings& settings) {
    if (const auto folder = std::filesystem::path(path).parent_path(); !folder.empty()) {
        os::make_folders(folder.string());
    }
    os::write_file_atomically(path, line_of("url", settings.url) + line_of("token", settings.token.reveal()) +
                                        line_of("certificate_sha256", settings.certificate_sha256) +
                                        line_of("ca_file", settings.ca_file));
}

Settings with_environment(Settings stored, const Environment& environment) {
    const auto value = [&](const char* name) { return environment(name).value_or(""); };
    if (const auto url = value("MIGRATEKIT_URL"); !url.empty() && normal_url(url) != stored.url) {
        stored = Settings{};
        stored.url = normal_url(url);
    }
    if (const auto token = value("MIGRATEKIT_TOKEN"); !token.empty()) {
        stored.token = Secret(token);
    }
    if (const auto pin = value("MIGRATEKIT_CERTIFICATE_SHA256"); !pin.empty()) {
        stored.certificate_sha256 = pin;
    }
    if (const auto file = value("MIGRATEKIT_CA_FILE"); !file.empty()) {
        stored.ca_file = file;
    }
    return stored;
}

Settings current_settings(const Environment& environment) {
    const auto is_set = [&](const char* name) { return !environment(name).value_or("").empty(); };
    const bool has_place = is_set("MIGRATEKIT_CONFIG") || is_set("XDG_CONFIG_HOME") || is_set("HOME");
    return with_environment(has_place ? load_settings(config_path(environment)) : Settings{}, environment);
}

std::string normal_url(std::string url) {
    while (url.ends_with('/')) {
        url.pop_back();
    }
    const auto host = url.starts_with("https://") ? url.substr(8) : url.starts_with("http://") ? url.substr(7) : "";
    if (host.empty() || host.find_first_of(" \t\r\n@?#") != std::string::npos) {
        throw Error(
            ErrorCode::invalid, "'" + url + "' is not the address of an OMA",
            {.consequence = "Nothing was sent.", .remedy = "Write for example https://oma-1.", .retry_safe = true});
    }
    return url;
}

void require_signed_in(const Settings& settings) {
    if (settings.url.empty() || settings.token.empty()) {
        throw Error(
            ErrorCode::unauthenticated, "not signed in to an OMA",
            {.consequence = "Nothing was sent.",
             .remedy = "Run: migratekit login --url URL --token-file FILE, or set MIGRATEKIT_URL and MIGRATEKIT_TOKEN.",
             .retry_safe = true});
    }
}

}  // namespace mk::cli

// login, logout, config.

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "http/client.hpp"
#include "os/file.hpp"

namespace mk::cli {

namespace {

constexpr std::chrono::seconds look_at_certificate{10};

bool is_local(const std::string& url) {
    return url.starts_with("http://127.") || url.starts_with("http://localhost") || url.starts_with("http://[::1]");
}

/// The certificate is pinned at the first login: compared by a person, or given.
std::string certificate_of(Session& session, const Input& input, const std::string& url) {
    if (input.has("--certificate-sha256") || input.has("--ca-file") || !url.starts_with("https://")) {
        return input.text("--certificate-sha256");
    }
    if (!session.terminal().can_ask() || session.is_json()) {
        throw Error(
            ErrorCode::invalid, "--certificate-sha256 is missing",
            {.consequence = "Nothing was sent.",
             .remedy = "Name the fingerprint that the appliance's console shows, or an authority with --ca-file.",
             .retry_safe = true});
    }
    const auto shown = http::fetch_certificate_sha256(url, look_at_certificate);
    session.say("The certificate of " + url + " has the SHA-256 fingerprint\n  " + shown);
    session.write_message("Is it the one that the appliance's console shows? Type yes to trust it: ");
    if (read_line(session.stop()).value_or("") != "yes") {
        throw Error(ErrorCode::invalid, "the certificate was not confirmed",
                    {.consequence = "Nothing was sent.", .retry_safe = true});
    }
    return shown;
}

Secret token_of(Session& session, const Input& input) {
    if (input.has("--token-stdin") == input.has("--token-file")) {
        throw Error(ErrorCode::invalid, "name the token with either --token-file FILE or --token-stdin",
                    {.consequence = "Nothing was sent.", .retry_safe = true});
    }
    return read_secret(session, input.has("--token-stdin") ? "-" : input.text("--token-file"));
}

ExitCode log_in(Session& session, const Input& input) {
    Settings settings;
    settings.url = normal_url(input.text("--url"));
    settings.token = token_of(session, input);
    settings.ca_file = input.text("--ca-file");
    settings.certificate_sha256 = certificate_of(session, input, settings.url);
    if (settings.url.starts_with("http://") && !is_local(settings.url)) {
        session.say("Warning: without https, others on the way can read the token.");
    }
    const auto status = OmaApi(settings, session.stop()).get("/api/v1/status");
    const auto path = config_path(session.environment());
    save_settings(path, settings);
    auto table = facts_table();
    table.rows = {{"Signed in to", settings.url},
                  {"Version", json::value_or<std::string>(status, "version", "")},
                  {"Kept in", path}};
    session.show(
        {{"url", settings.url}, {"version", json::value_or<std::string>(status, "version", "")}, {"config", path}},
        table);
    return ExitCode::done;
}

ExitCode log_out(Session& session, const Input&) {
    const auto path = config_path(session.environment());
    os::remove_file(path);
    auto table = facts_table();
    table.rows = {{"Removed", path}};
    session.show({{"removed", path}}, table);
    return ExitCode::done;
}

ExitCode show_config(Session& session, const Input&) {
    const auto path = config_path(session.environment());
    const auto settings = current_settings(session.environment());
    const bool has_token = !settings.token.empty();
    auto table = facts_table();
    table.rows = {{"File", path},
                  {"URL", settings.url.empty() ? "not signed in" : settings.url},
                  {"Token", has_token ? "present" : "none"},
                  {"Certificate", settings.certificate_sha256.empty() ? "by authority" : settings.certificate_sha256},
                  {"Authority file", settings.ca_file.empty() ? "the system's" : settings.ca_file}};
    session.show({{"config", path},
                  {"url", settings.url},
                  {"has_token", has_token},
                  {"certificate_sha256", settings.certificate_sha256},
                  {"ca_file", settings.ca_file}},
                 table);
    return ExitCode::done;
}

}  // namespace

std::vector<Command> sign_in_commands() {
    return {
        {.words = "login",
         .summary = "Keeps address and token of an OMA after trying them.",
         .example = "migratekit login --url https://oma-1 --token-file ~/oma.token",
         .options = {{"--url", "URL", "address of the OMA", true},
                     {"--token-file", "FILE", "file that holds the token"},
                     {"--token-stdin", "", "read the token from stdin"},
                     {"--certificate-sha256", "FINGERPRINT", "certificate that the OMA must show"},
                     {"--ca-file", "FILE", "authority (PEM) that must have signed the certificate"}},
         .run = log_in},
        {.words = "logout", .summary = "Forgets address and token.", .example = "migratekit logout", .run = log_out},
        {.words = "config",
         .summary = "Shows which OMA is used, and from where that is known.",
         .example = "migratekit config",
         .run = show_config}};
}

}  // namespace mk::cli

// cloudstack discover, connect, show.

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"

namespace mk::cli {

namespace {

using json::value_or;

constexpr std::pair<const char*, const char*> choices[] = {
    {"--zone", "zone"},
    {"--template", "template"},
    {"--service-offering", "service_offering"},
    {"--disk-offering", "disk_offering"},
    {"--network", "network"},
    {"--test-network", "test_network"},
    {"--appliance-vm", "appliance_vm"},
};

/// Address and keys; empty when none is named: then the OMA uses what it has stored.
Json access_from(Session& session, const Input& input) {
    Json access = Json::object();
    const bool any = input.has("--url") || input.has("--api-key-file") || input.has("--secret-key-file");
    if (!any) {
        return access;
    }
    for (const auto* name : {"--url", "--api-key-file", "--secret-key-file"}) {
        if (!input.has(name)) {
            throw Error(ErrorCode::invalid, std::string(name) + " is missing",
                        {.consequence = "Nothing was sent.",
                         .remedy = "Name address and both keys, or none of them to use what is stored.",
                         .retry_safe = true});
        }
    }
    access["api_url"] = input.text("--url");
    access["api_key"] = read_secret(session, input.text("--api-key-file")).reveal();
    access["secret_key"] = read_secret(session, input.text("--secret-key-file")).reveal();
    access["certificate_sha256"] = input.text("--certificate-sha256");
    return access;
}

void add_rows(Table& table, const Json& found, const char* field, const std::string& kind) {
    for (const auto& resource : value_or<Json>(found, field, Json::array())) {
        const auto text = [&](const char* name) { return value_or<std::string>(resource, name, ""); };
        table.rows.push_back(
            {text("name"), kind, value_or<bool>(resource, "usable", true) ? "yes" : "no", text("note"), text("id")});
    }
}

ExitCode discover(Session& session, const Input& input) {
    const auto body = access_from(session, input);
    auto& api = session.api();
    api.allow_long_calls();
    const auto found = api.post("/api/v1/ossea/discover-resources", body);
    Table table{.columns = {{.title = "NAME", .flexible = true},
                            {"KIND"},
                            {"USABLE"},
                            {.title = "NOTE", .flexible = true},
                            {"ID"}},
                .rows = {},
                .empty_text = "This account sees nothing."};
    constexpr std::pair<const char*, const char*> kinds[] = {{"zones", "zone"},
                                                             {"templates", "template"},
                                                             {"service_offerings", "service offering"},
                                                             {"disk_offerings", "disk offering"},
                                                             {"networks", "network"},
                                                             {"machines", "machine"}};
    for (const auto& [field, kind] : kinds) {
        add_rows(table, found, field, kind);
    }
    session.show(found, table);
    return ExitCode::done;
}

void show_settings(Session& session, const Json& settings) {
    const auto text = [&](const char* field) { return value_or<std::string>(settings, field, "none"); };
    auto table = facts_table();
    table.rows = {{"API", text("api_url")},
                  {"Certificate", value_or<std::string>(settings, "certificate_sha256", "by authority")},
                  {"Zone", text("zone_name")},
                  {"Template", text("template_id")},
                  {"Service offering", text("service_offering_id")},
                  {"Disk offering", text("disk_offering_id")},
                  {"Network for live", text("network_id")},
                  {"Network for tests", text("test_network_id")},
                  {"This appliance", text("appliance_vm_id")}};
    session.show(settings, table);
}

ExitCode connect(Session& session, const Input& input) {
    auto body = access_from(session, input);
    for (const auto& [option, field] : choices) {
        if (input.has(option)) {
            body[field] = input.text(option);
        }
    }
    auto& api = session.api();
    api.allow_long_calls();
    show_settings(session, api.put("/api/v1/ossea/config", body));
    return ExitCode::done;
}

ExitCode show(Session& session, const Input&) {
    show_settings(session, session.api().get("/api/v1/ossea/config"));
    return ExitCode::done;
}

std::vector<Option> access_options() {
    return {{"--url", "URL", "address of the API, e.g. https://cloud:8443/client/api; without it what is stored"},
            {"--api-key-file", "FILE", "file that holds the API key; - reads stdin"},
            {"--secret-key-file", "FILE", "file that holds the secret key"},
            {"--certificate-sha256", "FINGERPRINT", "certificate that it must show"}};
}

std::vector<Option> connect_options() {
    auto options = access_options();
    options.insert(options.end(), {{"--zone", "NAME", "zone; the only or first one when not named"},
                                   {"--template", "NAME", "any ready KVM template: its disk is thrown away"},
                                   {"--service-offering", "NAME", "offering for machines"},
                                   {"--disk-offering", "NAME", "customized offering for the copies"},
                                   {"--network", "NAME", "default network of live failovers"},
                                   {"--test-network", "NAME", "default network of tests: isolated"},
                                   {"--appliance-vm", "NAME", "this appliance's own machine, when it cannot find it"}});
    return options;
}

}  // namespace

std::vector<Command> cloudstack_commands() {
    return {
        {.words = "cloudstack discover",
         .summary = "What a CloudStack offers to the account.",
         .example = "migratekit cloudstack discover --url https://cloud/client/api --api-key-file key "
                    "--secret-key-file secret",
         .options = access_options(),
         .run = discover},
        {.words = "cloudstack connect",
         .summary = "Tries address, keys and choices, and keeps them.",
         .example =
             "migratekit cloudstack connect --url https://cloud/client/api --api-key-file key --secret-key-file secret "
             "--zone Leeds-1 --test-network Test-Bubble",
         .options = connect_options(),
         .run = connect},
        {.words = "cloudstack show",
         .summary = "What is configured; keys are never shown.",
         .example = "migratekit cloudstack show",
         .run = show}};
}

}  // namespace mk::cli

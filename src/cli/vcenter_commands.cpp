// vcenter add, list, remove.

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "cli/names.hpp"

namespace mk::cli {

namespace {

using json::value_or;

Table vcenter_table() {
    return {.columns = {{"NAME"},
                        {.title = "ADDRESS", .flexible = true},
                        {.title = "USER", .flexible = true},
                        {.title = "CERTIFICATE SHA-256", .wide = true},
                        {.title = "ID", .wide = true}},
            .rows = {},
            .empty_text = "No vCenter is configured yet. Add one: migratekit vcenter add"};
}

std::vector<std::string> row_of(const Json& vcenter) {
    const auto text = [&](const char* field) { return value_or<std::string>(vcenter, field, ""); };
    return {text("name"), text("vcenter"), text("username"), text("certificate_sha256"), text("id")};
}

ExitCode add(Session& session, const Input& input) {
    const auto password = read_secret(session, input.text("--password-file"));
    auto& api = session.api();
    api.allow_long_calls();
    const auto answer =
        api.post("/api/v1/vmware-credentials", {{"name", input.text("--name")},
                                                {"vcenter", input.text("--url")},
                                                {"username", input.text("--user")},
                                                {"password", password.reveal()},
                                                {"certificate_sha256", input.text("--certificate-sha256")}});
    auto table = vcenter_table();
    table.rows.push_back(row_of(answer));
    session.show(answer, table);
    return ExitCode::done;
}

ExitCode list(Session& session, const Input&) {
    const auto answer = session.api().get("/api/v1/vmware-credentials");
    auto table = vcenter_table();
    for (const auto& vcenter : value_or<Json>(answer, "credentials", Json::array())) {
        table.rows.push_back(row_of(vcenter));
    }
    session.show(answer, table);
    return ExitCode::done;
}

ExitCode remove(Session& session, const Input& input) {
    auto& api = session.api();
    std::vector<std::string> names;
    std::string id = input.text("NAME");
    bool is_id = false;
    for (const auto& vcenter : value_or<Json>(api.get("/api/v1/vmware-credentials"), "credentials", Json::array())) {
        names.push_back(value_or<std::string>(vcenter, "name", ""));
        is_id = is_id || value_or<std::string>(vcenter, "id", "") == id;
    }
    if (!is_id) {
        id = resolve_name("vCenter", id, names, "migratekit vcenter list");
    }
    session.show(api.remove("/api/v1/vmware-credentials/" + http::url_encode(id)),
                 {.columns = {}, .rows = {}, .empty_text = "Removed " + id + "."});
    return ExitCode::done;
}

}  // namespace

std::vector<Command> vcenter_commands() {
    return {
        {.words = "vcenter add",
         .summary = "Signs in to a vCenter and keeps the access.",
         .example =
             "migratekit vcenter add --name leeds --url https://vc-1 --user migrate@vsphere.local --password-file pw "
             "--certificate-sha256 4F:1A:..:9C",
         .options = {{"--name", "NAME", "how it is called here", true},
                     {"--url", "URL", "address of the vCenter", true},
                     {"--user", "USER", "account with the privileges that replication needs", true},
                     {"--password-file", "FILE", "file that holds the password; - reads stdin", true},
                     {"--certificate-sha256", "FINGERPRINT",
                      "certificate that it must show; without it an authority must have signed"}},
         .run = add},
        {.words = "vcenter list",
         .summary = "The vCenters that are configured.",
         .example = "migratekit vcenter list",
         .run = list},
        {.words = "vcenter remove",
         .summary = "Forgets a vCenter that no managed machine comes from.",
         .example = "migratekit vcenter remove leeds",
         .arguments = {{"NAME", "name, unique prefix or id"}},
         .run = remove}};
}

}  // namespace mk::cli

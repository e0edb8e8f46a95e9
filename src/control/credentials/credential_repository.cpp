#include "control/credentials/credential_repository.hpp"

#include "base/error.hpp"

namespace mk::credentials {

namespace {

constexpr const char* select_sql =
    "SELECT id, name, vcenter, username, certificate_sha256, vcenter_uuid, created_ms, updated_ms, updated_by"
    " FROM vmware_credentials";

std::string identity_of(const CredentialId& id) {
    return "vmware_credentials/" + id.value + "/password";
}

Credential credential_from(const db::Row& row) {
    Credential found;
    found.id.value = row.text("id");
    found.name = row.text("name");
    found.vcenter = row.text("vcenter");
    found.username = row.text("username");
    found.certificate_sha256 = row.text("certificate_sha256");
    found.vcenter_uuid = row.text_or_null("vcenter_uuid").value_or("");
    found.created = from_ms(row.number("created_ms"));
    found.updated = from_ms(row.number("updated_ms"));
    found.updated_by = row.text("updated_by");
    return found;
}

}  // namespace

CredentialRepository::CredentialRepository(std::shared_ptr<db::Database> database, const SecretBox& box,
                                           const Clock& clock)
    : database_(std::move(database)), box_(box), clock_(clock) {}

CredentialId CredentialRepository::add(const Credential& entry, const Secret& password, const std::string& actor) {
    const CredentialId id{new_uuid()};
    const auto now = to_ms(clock_.now());
    database_->transact([&](db::Session& session) {
        if (session.query_one("SELECT id FROM vmware_credentials WHERE name = :name", {{"name", entry.name}})) {
            throw Error(ErrorCode::conflict, "a vCenter named '" + entry.name + "' exists already",
                        {.consequence = "Nothing was changed.", .remedy = "Choose another name.", .retry_safe = true});
        }
        session.execute(
            "INSERT INTO vmware_credentials (id, name, vcenter, username, password_sealed, certificate_sha256, "
            "vcenter_uuid,"
            " created_ms, updated_ms, created_by, updated_by) VALUES (:id, :name, :vcenter, :username, :password, "
            ":certificate,"
            " :uuid, :now, :now2, :actor, :actor2)",
            {{"id", id.value},
             {"name", entry.name},
             {"vcenter", entry.vcenter},
             {"username", entry.username},
             {"password", box_.seal(password, identity_of(id))},
             {"certificate", entry.certificate_sha256},
             {"uuid", entry.vcenter_uuid},
             {"now", now},
             {"now2", now},
             {"actor", actor},
             {"actor2", actor}});
    });
    return id;
}

Credential CredentialRepository::require(const std::string& id_or_name) const {
    const auto row = database_->query_one(std::string(select_sql) + " WHERE id = :id OR name = :name",
                                          {{"id", id_or_name}, {"name", id_or_name}});
    if (!row) {
        throw Error(ErrorCode::not_found, "there is no vCenter '" + id_or_name + "'",
                    {.consequence = "Nothing was changed.",
                     .remedy = "List them: migratekit vcenter list",
                     .retry_safe = true});
    }
    return credential_from(*row);
}

std::vector<Credential> CredentialRepository::list() const {
    std::vector<Credential> found;
    for (const auto& row : database_->query(std::string(select_sql) + " ORDER BY name")) {
        found.push_back(credential_from(row));
    }
    return found;
}

void CredentialRepository::remove(const CredentialId& id) {
    database_->transact([&](db::Session& session) {
        const auto used = session.query_one("SELECT COUNT(*) AS machines FROM vm_contexts WHERE credential_id = :id",
                                            {{"id", id.value}});
        if (used && used->number("machines") > 0) {
            throw Error(
                ErrorCode::conflict,
                "the vCenter is used by " + std::to_string(used->number("machines")) + " managed machines",
                {.consequence = "Nothing was changed.", .remedy = "Remove these machines from management first."});
        }
        session.execute("DELETE FROM vmware_credentials WHERE id = :id", {{"id", id.value}});
    });
}

contracts::VcenterAccess CredentialRepository::access(const CredentialId& id) const {
    const auto row = database_->query_one(
        "SELECT vcenter, username, password_sealed, certificate_sha256 FROM vmware_credentials WHERE id = :id",
        {{"id", id.value}});
    if (!row) {
        throw Error(ErrorCode::not_found, "the vCenter of this machine is not configured any more");
    }
    return {row->text("vcenter"), row->text("username"), box_.open(row->text("password_sealed"), identity_of(id)),
            row->text("certificate_sha256")};
}

}  // namespace mk::credentials

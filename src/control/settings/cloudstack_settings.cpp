#include "control/settings/cloudstack_settings.hpp"

#include "base/error.hpp"

namespace mk::settings {

namespace {

// One cloud per appliance for now; the row has an id so that more can follow.
constexpr const char* row_id = "cloudstack";
constexpr const char* api_key_identity = "ossea_configs/cloudstack/api_key";
constexpr const char* secret_key_identity = "ossea_configs/cloudstack/secret_key";

constexpr const char* update_sql =
    "UPDATE ossea_configs SET api_url = :api_url, certificate_sha256 = :certificate, api_key_sealed = :api_key,"
    " secret_key_sealed = :secret_key, zone_id = :zone_id, zone_name = :zone_name, template_id = :template_id,"
    " service_offering_id = :service_offering, disk_offering_id = :disk_offering, network_id = :network,"
    " test_network_id = :test_network, oma_vm_id = :oma_vm, updated_ms = :now WHERE id = :id";
constexpr const char* insert_sql =
    "INSERT INTO ossea_configs (id, api_url, certificate_sha256, api_key_sealed, secret_key_sealed, zone_id, zone_name,"
    " template_id, service_offering_id, disk_offering_id, network_id, test_network_id, oma_vm_id, created_ms, "
    "updated_ms)"
    " VALUES (:id, :api_url, :certificate, :api_key, :secret_key, :zone_id, :zone_name, :template_id, "
    ":service_offering,"
    " :disk_offering, :network, :test_network, :oma_vm, :created, :now)";

}  // namespace

CloudStackSettingsRepository::CloudStackSettingsRepository(std::shared_ptr<db::Database> database, const SecretBox& box,
                                                           const Clock& clock)
    : database_(std::move(database)), box_(box), clock_(clock) {}

std::optional<CloudStackSettings> CloudStackSettingsRepository::find() const {
    const auto row = database_->query_one(
        "SELECT api_url, certificate_sha256, api_key_sealed, secret_key_sealed, zone_id, zone_name, template_id,"
        " service_offering_id, disk_offering_id, network_id, test_network_id, oma_vm_id FROM ossea_configs WHERE id = "
        ":id",
        {{"id", std::string(row_id)}});
    if (!row) {
        return std::nullopt;
    }
    const auto text = [&](const char* column) { return row->text_or_null(column).value_or(""); };
    CloudStackSettings found;
    found.api_url = text("api_url");
    found.certificate_sha256 = text("certificate_sha256");
    found.api_key = box_.open(text("api_key_sealed"), api_key_identity);
    found.secret_key = box_.open(text("secret_key_sealed"), secret_key_identity);
    found.zone_id = text("zone_id");
    found.zone_name = text("zone_name");
    found.template_id = text("template_id");
    found.service_offering_id = text("service_offering_id");
    found.disk_offering_id = text("disk_offering_id");
    found.network_id = text("network_id");
    found.test_network_id = text("test_network_id");
    found.appliance_vm_id.value = text("oma_vm_id");
    return found;
}

CloudStackSettings CloudStackSettingsRepository::require() const {
    auto found = find();
    if (!found) {
        throw Error(ErrorCode::conflict, "CloudStack is not configured",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Run: migratekit cloudstack connect",
                     .retry_safe = true});
    }
    return std::move(*found);
}

void CloudStackSettingsRepository::save(const CloudStackSettings& settings) {
    const auto now = to_ms(clock_.now());
    db::Parameters values = {{"id", std::string(row_id)},
                             {"api_url", settings.api_url},
                             {"certificate", settings.certificate_sha256},
                             {"api_key", box_.seal(settings.api_key, api_key_identity)},
                             {"secret_key", box_.seal(settings.secret_key, secret_key_identity)},
                             {"zone_id", settings.zone_id},
                             {"zone_name", settings.zone_name},
                             {"template_id", settings.template_id},
                             {"service_offering", settings.service_offering_id},
                             {"disk_offering", settings.disk_offering_id},
                             {"network", settings.network_id},
                             {"test_network", settings.test_network_id},
                             {"oma_vm", settings.appliance_vm_id.value},
                             {"now", now}};
    database_->transact([&](db::Session& session) {
        if (session.execute(update_sql, values) == 0) {
            auto inserted = values;
            inserted.push_back({"created", now});
            session.execute(insert_sql, inserted);
        }
    });
}

}  // namespace mk::settings

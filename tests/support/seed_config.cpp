// seed_config DATABASE MIGRATIONS KEY_FILE: writes the CloudStack settings given as JSON on stdin (secrets never in
// argv) into a database, as oma-api would. For integration tests that need a configured volume-daemon without oma-api.

#include <cstdio>
#include <iostream>
#include <iterator>

#include "base/json_fields.hpp"
#include "control/settings/cloudstack_settings.hpp"
#include "os/file.hpp"

namespace {

using namespace mk;

void seed(const std::string& database_url, const std::string& migrations, const std::string& key_file) {
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    const Json given = json::parse(text);
    const auto word = [&](const char* name) { return json::value_or<std::string>(given, name, ""); };
    settings::CloudStackSettings settings;
    settings.api_url = word("url");
    settings.api_key = Secret(word("api_key"));
    settings.secret_key = Secret(word("secret_key"));
    settings.zone_id = word("zone_id");
    settings.zone_name = word("zone_name");
    settings.template_id = word("template_id");
    settings.service_offering_id = word("service_offering_id");
    settings.disk_offering_id = word("disk_offering_id");
    settings.appliance_vm_id.value = word("appliance_vm_id");
    const auto database = db::Database::open(database_url);
    db::migrate(*database, migrations);
    const SystemClock clock;
    const SecretBox box(os::read_or_create_key_file(key_file));
    settings::CloudStackSettingsRepository(database, box, clock).save(settings);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: seed_config DATABASE MIGRATIONS KEY_FILE < settings.json\n", stderr);
        return 2;
    }
    try {
        seed(argv[1], argv[2], argv[3]);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "seed_config: %s\n", error.what());
        return 1;
    }
}

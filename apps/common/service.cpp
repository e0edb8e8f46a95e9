#include "common/service.hpp"

#include <CLI/CLI.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/signals.hpp"

namespace mk::apps {

int run_service(int argc, char** argv, const Service& service) {
    CLI::App app{service.description + "\n\nExample: " + service.name + " --config /etc/migratekit/" + service.name +
                 ".toml"};
    std::string config_file = "/etc/migratekit/" + service.name + ".toml";
    app.add_option("--config", config_file, "configuration file (TOML)")->capture_default_str();
    app.set_version_flag("--version", MK_VERSION);
    CLI11_PARSE(app, argc, argv);
    os::block_termination_signals();
    log::start(service.name);
    try {
        service.serve(Config::load(config_file, service.known_keys));
        log::info("stopped");
        return 0;
    } catch (const std::exception& error) {
        log::error("{}", as_error(error).full_text());
        return 1;
    }
}

}  // namespace mk::apps

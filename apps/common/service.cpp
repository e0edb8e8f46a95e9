#include "common/service.hpp"

#include <cerrno>
#include <cstring>

#include <CLI/CLI.hpp>
#include <sys/resource.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/signals.hpp"

namespace mk::apps {
namespace {

/// A connection needs two or three descriptors, and there may be thousands of them; the usual soft limit of 1024 is
/// there for programs that use select(), which ours do not.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) {
        return;
    }
    const auto before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log::warn("descriptor_limit_not_raised limit={} reason=\"{}\"", before, std::strerror(errno));
    }
}

}  // namespace

int run_service(int argc, char** argv, const Service& service) {
    CLI::App app{service.description + "\n\nExample: " + service.name + " --config /etc/migratekit/" + service.name +
                 ".toml"};
    std::string config_file = "/etc/migratekit/" + service.name + ".toml";
    app.add_option("--config", config_file, "configuration file (TOML)")->capture_default_str();
    app.set_version_flag("--version", MK_VERSION);
    CLI11_PARSE(app, argc, argv);
    os::block_termination_signals();
    log::start(service.name);
    raise_descriptor_limit();
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

// migratekit-tunnel: the one port between the two sites. `gateway` runs at the OMA, `client` at the VMA; the other
// commands pair the two and show what is paired.

#include <iostream>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "common/service.hpp"
#include "os/file.hpp"
#include "os/signals.hpp"
#include "os/termination_listener.hpp"
#include "settings.hpp"
#include "status.hpp"
#include "tunnel/gateway.hpp"
#include "tunnel/pairing_exchange.hpp"
#include "tunnel/pairing_store.hpp"
#include "tunnel/reverse_client.hpp"

namespace {

using namespace mk;

constexpr std::chrono::seconds pairing_limit{30};

void serve_gateway(const Config& config) {
    tunnel::Gateway gateway(apps::gateway_options(config));
    log::info("listening on port {}, version {}", gateway.port(), MK_VERSION);
    os::notify_ready();
    log::info("signal {}: stopping", os::wait_for_termination());
    gateway.stop();
}

void serve_client(const Config& config) {
    tunnel::ReverseClient client(apps::client_options(config));
    os::notify_ready();
    log::info("signal {}: stopping", os::wait_for_termination());
    client.stop();
}

struct Arguments {
    std::string config_file;
    std::string gateway;
    std::string code_file;
    std::string appliance_id;
    bool as_json = false;
};

/// Never from the command line, which everybody on the machine can read.
std::string read_code(const std::string& file) {
    if (!file.empty()) {
        return os::read_secret_file(file).reveal();
    }
    if (::isatty(STDIN_FILENO) != 0) {
        std::cerr << "Pairing code: " << std::flush;
    }
    std::string code;
    std::getline(std::cin, code);
    return code;
}

void invite(const Config& config, const Arguments& arguments) {
    const auto folder = config.require("folder");
    const auto identity = tunnel::open_identity(folder, "");
    const SystemClock clock;
    const auto invitation = tunnel::PairingStore(folder, clock).invite();
    if (arguments.as_json) {
        fmt::print("{}\n", json::dump({{"code", invitation.code},
                                       {"expires_at", to_iso8601(invitation.expires)},
                                       {"fingerprint", identity.fingerprint}}));
        return;
    }
    fmt::print("code          {}\nvalid until   {}\nfingerprint   {}\n", invitation.code,
               to_iso8601(invitation.expires), tunnel::fingerprint_for_people(identity.fingerprint));
}

void pair(const Config& config, const Arguments& arguments) {
    auto request = apps::pairing_request(config);
    request.gateway = arguments.gateway;
    request.code = read_code(arguments.code_file);
    const os::TerminationListener listener;
    const auto pairing = tunnel::pair_with_gateway(request, pairing_limit, listener.token());
    const auto own = tunnel::open_identity(request.folder, "").fingerprint;
    fmt::print("paired with   {} at {}\nits key       {}\nour key       {}\n", pairing.name, pairing.address,
               tunnel::fingerprint_for_people(pairing.fingerprint), tunnel::fingerprint_for_people(own));
}

void show_status(const Config& config, const Arguments& arguments) {
    const auto status = apps::tunnel_status(config);
    if (arguments.as_json) {
        fmt::print("{}\n", json::dump(status, 2));
    } else {
        apps::print_status(status);
    }
}

void unpair(const Config& config, const Arguments& arguments) {
    const SystemClock clock;
    if (!tunnel::PairingStore(config.require("folder"), clock).remove(arguments.appliance_id)) {
        throw Error(ErrorCode::not_found, "there is no pairing with '" + arguments.appliance_id + "'",
                    {.remedy = "See migratekit-tunnel status."});
    }
    fmt::print("removed; running connections end within seconds\n");
}

using Command = void (*)(const Config&, const Arguments&);

int run_command(int argc, char** argv) {
    CLI::App app{
        "The one port between the two sites.\n\nExample: migratekit-tunnel invite --config "
        "/etc/migratekit/tunnel-gateway.toml"};
    app.set_version_flag("--version", MK_VERSION);
    app.require_subcommand(1);
    Arguments arguments;
    Command chosen = nullptr;
    const auto command = [&](const char* name, const char* description, Command action) {
        auto* const made = app.add_subcommand(name, description);
        made->add_option("--config", arguments.config_file, "configuration file (TOML)")->required();
        made->callback([&chosen, action] { chosen = action; });
        return made;
    };
    app.add_subcommand("gateway", "run the OMA's end (see gateway --help)");
    app.add_subcommand("client", "run the VMA's end (see client --help)");
    command("invite", "OMA: make a pairing code, valid for ten minutes and one use", &invite)
        ->add_flag("--json", arguments.as_json, "JSON instead of text");
    auto* const pairing = command("pair", "VMA: pair with an OMA; the code is read from standard input", &pair);
    pairing->add_option("--gateway", arguments.gateway, "HOST:PORT of the OMA's gateway")->required();
    pairing->add_option("--code-file", arguments.code_file, "read the code from this file");
    command("status", "fingerprints, pairings, figures", &show_status)
        ->add_flag("--json", arguments.as_json, "JSON instead of text");
    command("unpair", "remove a pairing: its connections are refused and cut", &unpair)
        ->add_option("ID", arguments.appliance_id, "the appliance, as status shows it")
        ->required();
    CLI11_PARSE(app, argc, argv);
    os::block_termination_signals();
    log::start("migratekit-tunnel");
    try {
        chosen(Config::load(arguments.config_file, apps::tunnel_keys()), arguments);
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "migratekit-tunnel: " << as_error(error).full_text() << '\n';
        return 1;
    }
}

}  // namespace

int main(int argc, char** argv) {
    // The long-running ones are services like all others: the rest of the line is theirs.
    const std::string_view first = argc > 1 ? argv[1] : "";
    if (first == "gateway") {
        return apps::run_service(argc - 1, argv + 1,
                                 {.name = "tunnel-gateway",
                                  .description = "The OMA's end of the tunnel: one port for everything.",
                                  .known_keys = apps::tunnel_keys(),
                                  .serve = serve_gateway});
    }
    if (first == "client") {
        return apps::run_service(argc - 1, argv + 1,
                                 {.name = "tunnel-client",
                                  .description = "The VMA's end of the tunnel: connections for the OMA's requests.",
                                  .known_keys = apps::tunnel_keys(),
                                  .serve = serve_client});
    }
    return run_command(argc, argv);
}

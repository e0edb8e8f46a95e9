// oma-api: machines, replication, failover and their REST API on the CloudStack side.

#include <set>

#include "appliance/oma/routes.hpp"
#include "base/config.hpp"
#include "base/log.hpp"
#include "boot_probe.hpp"
#include "cloud_adapters.hpp"
#include "common/service.hpp"
#include "final_sync.hpp"
#include "guest_preparation.hpp"
#include "http/server.hpp"
#include "os/file.hpp"
#include "os/listen_address.hpp"
#include "os/signals.hpp"
#include "reconcile_adapters.hpp"
#include "source_access.hpp"
#include "transfer_policies.hpp"
#include "vma_client.hpp"
#include "volumes_client.hpp"

namespace {

using namespace mk;

/// Notes of commands are shown with the failovers that they were sent for.
constexpr std::chrono::days effects_kept{90};

const std::set<std::string> known_keys = {"listen",
                                          "state_folder",
                                          "database",
                                          "migrations",
                                          "key_file",
                                          "token_file",
                                          "tunnel.folder",
                                          "tunnel.control_folder",
                                          "vma.url",
                                          "vma.token_file",
                                          "vma.appliance",
                                          "volumes.url",
                                          "volumes.token_file",
                                          "reconcile.interval_minutes"};

std::set<std::string> all_keys() {
    auto keys = known_keys;
    keys.insert(oma::guest_keys().begin(), oma::guest_keys().end());
    return keys;
}

/// Everything the service is made of, in the order it is built; taken down in reverse.
struct Oma {
    explicit Oma(const Config& config)
        : database(db::Database::open(config.require("database"))),
          box(os::read_or_create_key_file(config.require("key_file"))),
          tokens(database, clock),
          ledger(database, clock),
          effects(database, clock, "oma-api"),
          job_log(database, clock),
          machines(database, job_log, clock),
          credentials(database, box, clock),
          networks(database, clock),
          recovery_points(database, clock),
          cloudstack(database, box, clock),
          cloudstack_setup(cloudstack, resource_discovery),
          transfer(database, clock),
          policies(transfer),
          pairings(config.get("tunnel.folder", ""), clock),
          appliances(pairings, job_log, settings::SettingRows(database, clock), source_choice(config)),
          source(vma_addresses(config), pairings, appliances),
          vma([this] { return source.route(); }),
          volumes(config.require("volumes.url"), os::read_secret_file(config.require("volumes.token_file"))),
          discovery(credentials, machines, vma),
          replications(database, clock),
          pass_use{database,     job_log, ledger,  machines, recovery_points, credentials,
                   replications, vma,     volumes, policies, policies,        clock},
          replication(pass_use),
          failovers(database, clock),
          cloud({cloudstack, ledger, effects, failovers, job_log}),
          guest(oma::guest_tools(config)),
          boot([this](const CloudMachineId& id, const std::stop_token& stop) { return cloud.find(id, stop); }),
          final_sync(pass_use),
          failover({job_log, ledger, machines, recovery_points, credentials, networks, cloudstack, failovers, volumes,
                    cloud, guest, boot, vma, final_sync, clock}),
          cloud_inventory(cloudstack),
          cloud_removal(volumes, volumes, cloud),
          reconcile({database, job_log, ledger, machines, recovery_points, credentials, cloud_inventory, cloud_removal,
                     vma, clock, reconcile_pacing(config)}) {}

    static settings::SourceChoice source_choice(const Config& config) {
        return {.has_address = config.find("vma.url").has_value(), .appliance = config.get("vma.appliance", "")};
    }

    static oma::VmaAddresses vma_addresses(const Config& config) {
        if (const auto url = config.find("vma.url")) {
            return {.url = *url,
                    .token = os::read_secret_file(config.require("vma.token_file")),
                    .control_folder = config.get("tunnel.control_folder", "")};
        }
        config.require("tunnel.folder");
        return {.url = {}, .token = {}, .control_folder = config.require("tunnel.control_folder")};
    }

    static reconcile::Pacing reconcile_pacing(const Config& config) {
        reconcile::Pacing pacing;
        pacing.interval = std::chrono::minutes{config.number("reconcile.interval_minutes", 15, 1, 24 * 60)};
        return pacing;
    }

    template <class Peer>
    static oma::PeerState state_of(const std::string& name, const std::string& address, Peer& peer) {
        try {
            return {.name = name, .address = address, .reachable = true, .version = peer.version(), .problem = {}};
        } catch (const Error& error) {
            const auto& remedy = error.advice().remedy;
            return {.name = name,
                    .address = address,
                    .reachable = false,
                    .version = {},
                    .problem = error.cause() + (remedy.empty() ? "" : ". " + remedy)};
        }
    }

    oma::ApplianceState state_of(const settings::PairedAppliance& appliance) const {
        try {
            return oma::appliance_state(source.route_to(appliance));
        } catch (const Error& error) {
            return {.problem = error.cause()};  // retired at this moment
        }
    }

    SystemClock clock;
    std::shared_ptr<db::Database> database;
    SecretBox box;
    access::TokenService tokens;
    ledger::Ledger ledger;
    ledger::Effects effects;
    joblog::JobLog job_log;
    machines::MachineRepository machines;
    credentials::CredentialRepository credentials;
    networks::NetworkMappingRepository networks;
    recovery::RecoveryPointRepository recovery_points;
    settings::CloudStackSettingsRepository cloudstack;
    oma::CloudResourceDiscovery resource_discovery;
    settings::CloudStackSetup cloudstack_setup;
    settings::TransferSettings transfer;
    oma::TransferPolicies policies;
    oma::TunnelPairings pairings;
    settings::SourceAppliances appliances;
    oma::SourceDirectory source;
    oma::VmaClient vma;
    oma::VolumesClient volumes;
    discovery::DiscoveryService discovery;
    replication::ReplicationRepository replications;
    replication::Collaborators pass_use;
    replication::ReplicationService replication;
    failover::FailoverRepository failovers;
    oma::CloudMachinesAdapter cloud;
    oma::VirtV2vPreparation guest;
    oma::BootProbe boot;
    oma::PassFinalSync final_sync;
    failover::FailoverService failover;
    oma::CloudInventory cloud_inventory;
    oma::CloudRemoval cloud_removal;
    reconcile::ReconcileService reconcile;
};

/// What the routes may call; `oma` and `config` outlive it.
oma::Services services_of(Oma& oma, const Config& config) {
    return {oma.tokens,
            oma.credentials,
            oma.cloudstack,
            oma.cloudstack_setup,
            oma.transfer,
            oma.appliances,
            oma.discovery,
            oma.machines,
            oma.networks,
            oma.recovery_points,
            oma.replications,
            oma.replication,
            oma.volumes,
            oma.failovers,
            oma.failover,
            oma.job_log,
            oma.ledger,
            oma.effects,
            oma.reconcile,
            [&oma, &config] {
                return std::vector<oma::PeerState>{
                    Oma::state_of("vma", oma.source.address(), oma.vma),
                    Oma::state_of("volume-daemon", config.require("volumes.url"), oma.volumes)};
            },
            [&oma](const settings::PairedAppliance& appliance) { return oma.state_of(appliance); }};
}

void serve(const Config& config) {
    os::make_folders(config.require("state_folder"));
    Oma oma(config);
    db::migrate(*oma.database, config.require("migrations"));
    // The first administrator: a token in a file that only this account can read.
    oma.tokens.register_token("bootstrap", "administrator",
                              os::read_or_create_secret_file(config.require("token_file")));
    oma.effects.forget_older_than(effects_kept);
    auto services = services_of(oma, config);
    const auto router = oma::make_router(services);
    oma.replication.settle_interrupted();
    oma.failover.resume_interrupted();
    oma.reconcile.settle_interrupted();
    oma.failover.start_timer();
    oma.replication.start_timer();
    oma.reconcile.start_timer();
    const auto listen = os::parse_listen_address(config.get("listen", "127.0.0.1:8082"));
    http::Server server({.address = listen.host, .port = listen.port},
                        [&router](const http::ServerRequest& request) { return router.handle(request); });
    log::info("listening on {}:{}, version {}", listen.host, server.port(), MK_VERSION);
    os::notify_ready();
    log::info("signal {}: stopping", os::wait_for_termination());
    server.stop();
    oma.reconcile.stop();
    oma.failover.stop();
    oma.replication.stop();
}

}  // namespace

int main(int argc, char** argv) {
    return mk::apps::run_service(
        argc, argv,
        {.name = "oma-api",
         .description = "Machines, replication and failover: the service of the OMA appliance.",
         .known_keys = all_keys(),
         .serve = serve});
}

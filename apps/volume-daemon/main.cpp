// volume-daemon: the only program that touches replica volumes. Creates, attaches and snapshots them at CloudStack,
// finds their devices, takes what is written to them (NBD, also from the tunnel's gateway), keeps their digests. Runs
// as root on the OMA appliance for the block devices.

#include <memory>
#include <set>

#include "adapters.hpp"
#include "appliance/volumes/routes.hpp"
#include "base/config.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "common/service.hpp"
#include "contracts/vma_api.hpp"
#include "http/server.hpp"
#include "os/file.hpp"
#include "os/listen_address.hpp"
#include "os/signals.hpp"
#include "target/volumes/digest_service.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/hand_off.hpp"

namespace {

using namespace mk;

constexpr std::chrono::days notes_kept_for{90};

const std::set<std::string> known_keys = {"listen",
                                          "token_file",
                                          "database",
                                          "migrations",
                                          "key_file",
                                          "state_folder",
                                          "staging_folder",
                                          "staging_reserve_mib",
                                          "staging_quota_mib",
                                          "device_directory",
                                          "sysfs_block",
                                          "device_nodes",
                                          "links_folder",
                                          "nbd_listen",
                                          "nbd_socket",
                                          "limits.operations",
                                          "limits.nbd_connections",
                                          "limits.device_seconds",
                                          "tunnel.hand_off_socket",
                                          "tunnel.folder",
                                          "tunnel.metrics_folder"};

volumes::NbdServerOptions nbd_options(const Config& config) {
    volumes::NbdServerOptions options;
    const auto listen = config.get("nbd_listen", "127.0.0.1:10809");
    options.address.clear();
    if (!listen.empty()) {
        const auto address = os::parse_listen_address(listen);
        options.address = address.host;
        options.port = address.port;
    }
    options.socket = config.get("nbd_socket", "");
    options.max_connections = static_cast<std::size_t>(config.number("limits.nbd_connections", 256, 1, 10'000));
    return options;
}

volumes::StagingOptions staging_options(const Config& config) {
    const auto mebibytes = [&](const char* key, std::int64_t fallback) {
        return static_cast<Bytes>(config.number(key, fallback, 0, 1'000'000'000)) * MiB;
    };
    return {.folder = config.require("staging_folder"),
            .reserve = mebibytes("staging_reserve_mib", 256),
            .quota = mebibytes("staging_quota_mib", 0)};
}

volumes::DeviceFolders device_folders(const Config& config) {
    volumes::DeviceFolders folders;
    folders.by_id = config.get("device_directory", folders.by_id);
    folders.sysfs_block = config.get("sysfs_block", folders.sysfs_block);
    folders.nodes = config.get("device_nodes", folders.nodes);
    return folders;
}

/// Nothing where the tunnel is not configured.
std::unique_ptr<tunnel::HandOffListener> listen_for_tunnel(const Config& config, volumes::NbdServer& nbd,
                                                           const volumes::DigestService& digests) {
    const auto socket = config.get("tunnel.hand_off_socket", "");
    const auto folder = config.get("tunnel.folder", "");
    if (socket.empty() && folder.empty()) {
        return nullptr;
    }
    if (socket.empty() || folder.empty()) {
        throw Error(ErrorCode::invalid, "tunnel.hand_off_socket and tunnel.folder are set both, or none of them");
    }
    const auto serve_nbd = [&nbd](tunnel::Accepted accepted) { nbd.serve(std::move(accepted.stream)); };
    return std::make_unique<tunnel::HandOffListener>(
        tunnel::HandOffOptions{.socket = socket,
                               .folder = folder,
                               .max_connections = nbd_options(config).max_connections,
                               .metrics_folder = config.get("tunnel.metrics_folder", "")},
        std::map<std::string, tunnel::StreamHandler>{{tunnel::alpn::nbd, serve_nbd},
                                                     {tunnel::alpn::nbd_zstd, serve_nbd},
                                                     {tunnel::alpn::digest, [&digests](tunnel::Accepted accepted) {
                                                          digests.serve(std::move(accepted.stream));
                                                      }}});
}

/// Everything the daemon is made of, in the order it is built; taken down in reverse.
struct Daemon {
    explicit Daemon(const Config& config)
        : database(db::Database::open(config.require("database"))),
          // The same key as oma-api's, which seals what this daemon opens.
          box(os::read_or_create_key_file(config.require("key_file"))),
          stored_settings(database, box, clock),
          stored_ledger(database, clock),
          effects(database, clock, "volume-daemon"),
          settings(stored_settings),
          ledger(stored_ledger),
          cloud(settings, {.journal = &effects}, volumes::unfinished_commands(effects)),
          volume_rows(database, clock),
          session_rows(database, clock),
          locator(device_folders(config)),
          names(config.get("links_folder", config.require("state_folder") + "/links")),
          digests(config.require("state_folder") + "/digests"),
          nbd(nbd_options(config)),
          operations(database, clock, locks,
                     {.workers = static_cast<unsigned>(config.number("limits.operations", 8, 1, 256)),
                      .error_to_json = [](const Error& error) { return contracts::to_json(error); }}),
          volume_service({cloud, volume_rows, session_rows, locator, names, digests, ledger, locks},
                         std::chrono::seconds{config.number("limits.device_seconds", 30, 1, 3600)}),
          clone_service({cloud, volume_rows, volume_service, ledger}),
          snapshot_service({cloud, volume_rows, session_rows, digests, ledger, clock, clone_service}),
          default_roots({cloud, volume_rows, ledger, locks}),
          sessions({volume_rows, session_rows, locator, digests, nbd, locks}, staging_options(config)),
          digest_service(nbd.exports(), [](const Error& error) { return contracts::to_json(error); }) {}

    SystemClock clock;
    std::shared_ptr<db::Database> database;
    SecretBox box;
    settings::CloudStackSettingsRepository stored_settings;
    ledger::Ledger stored_ledger;
    ledger::Effects effects;
    volumes::StoredCloudSettings settings;
    volumes::StoredLedger ledger;
    volumes::KeyLocks locks;
    volumes::CloudAccess cloud;
    volumes::VolumeRepository volume_rows;
    volumes::WriteSessionRepository session_rows;
    volumes::DeviceLocator locator;
    volumes::PersistentNames names;
    volumes::DigestMap digests;
    volumes::NbdServer nbd;
    volumes::OperationRunner operations;
    volumes::VolumeService volume_service;
    volumes::CloneService clone_service;
    volumes::SnapshotService snapshot_service;
    volumes::DefaultRootService default_roots;
    volumes::WriteSessionService sessions;
    volumes::DigestService digest_service;
};

void serve(const Config& config) {
    os::make_folders(config.require("state_folder"));
    const auto database = db::Database::open(config.require("database"));
    db::migrate(*database, config.require("migrations"));
    Daemon daemon(config);
    daemon.effects.forget_older_than(notes_kept_for);
    const volumes_api::Services services{daemon.volume_service, daemon.clone_service, daemon.snapshot_service,
                                         daemon.default_roots,  daemon.sessions,      daemon.operations};
    daemon.operations.start();
    for (const auto& session : daemon.sessions.resume()) {
        log::info("the commit of a write session is continued");
        volumes_api::submit_commit(services, session);
    }
    const auto tunnel = listen_for_tunnel(config, daemon.nbd, daemon.digest_service);
    const auto router =
        volumes_api::make_router(services, os::read_or_create_secret_file(config.require("token_file")));
    const auto listen = os::parse_listen_address(config.get("listen", "127.0.0.1:8090"));
    http::Server server({.address = listen.host, .port = listen.port},
                        [&router](const http::ServerRequest& request) { return router.handle(request); });
    log::info("listening on {}:{}, exports on port {}, version {}", listen.host, server.port(), daemon.nbd.port(),
              MK_VERSION);
    os::notify_ready();
    log::info("signal {}: stopping", os::wait_for_termination());
    if (tunnel) {
        tunnel->stop();
    }
    server.stop();
    daemon.operations.stop();
    daemon.nbd.stop();
}

}  // namespace

int main(int argc, char** argv) {
    return mk::apps::run_service(argc, argv,
                                 {.name = "volume-daemon",
                                  .description = "Replica volumes: lifecycle, devices, exports, digests.",
                                  .known_keys = known_keys,
                                  .serve = serve});
}

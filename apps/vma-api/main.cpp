// vma-api --config FILE: the service of the appliance at the VMware site (api/vma.yaml).

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <set>
#include <string>

#include <sys/resource.h>

#include "appliance/vma/engine_process.hpp"
#include "appliance/vma/job_registry.hpp"
#include "appliance/vma/routes.hpp"
#include "base/config.hpp"
#include "base/log.hpp"
#include "common/service.hpp"
#include "http/server.hpp"
#include "os/file.hpp"
#include "os/listen_address.hpp"
#include "os/signals.hpp"
#include "vsphere_gateway.hpp"

namespace {

using namespace mk;

const std::set<std::string> known_keys{"listen",
                                       "token_file",
                                       "state_folder",
                                       "engine",
                                       "appliance_id",
                                       "limits.engines",
                                       "limits.discovery_seconds",
                                       "readers.vddk_library_folder",
                                       "tunnel.folder"};

http::ServerOptions listen_options(const Config& config) {
    const auto listen = os::parse_listen_address(config.get("listen", "127.0.0.1:8081"));
    http::ServerOptions options;
    options.address = listen.host;
    options.port = listen.port;
    // Calls to vCenters hold a worker each (routes.cpp limits them); the others answer for the jobs.
    options.workers = 12;
    return options;
}

std::string engine_path(const Config& config) {
    const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "migratekit-engine";
    const std::string path = config.get("engine", beside.string());
    if (!std::filesystem::exists(path)) {
        throw Error(ErrorCode::not_found, "the copy program " + path + " does not exist",
                    {.remedy = "Install it there or set 'engine' in the configuration."});
    }
    return path;
}

/// It stands in the description of our snapshots, between marks.
std::string appliance_id(const Config& config) {
    std::string id = config.get("appliance_id", "vma");
    const auto is_allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
    if (id.empty() || id.size() > 64 || !std::all_of(id.begin(), id.end(), is_allowed)) {
        throw Error(ErrorCode::invalid, "the key 'appliance_id' must be 1 to 64 letters, digits, '-', '_' or '.'");
    }
    return id;
}

vsphere::ReaderOptions reader_options(const Config& config) {
    const std::string folder = config.get("readers.vddk_library_folder", "");
    if (!folder.empty() && !std::filesystem::is_directory(folder)) {
        throw Error(ErrorCode::not_found,
                    "the key 'readers.vddk_library_folder' names " + folder + ", which is no folder",
                    {.remedy = "Name the folder into which VDDK was unpacked (it contains lib64), or remove the key."});
    }
    return {.vddk_library_folder = folder.empty() ? "" : std::filesystem::absolute(folder).string()};
}

void warn_without_vddk(const vsphere::ReaderOptions& options, const std::vector<std::string>& readers) {
    if (!options.vddk_library_folder.empty() && std::find(readers.begin(), readers.end(), "vddk") == readers.end()) {
        log::warn(
            "event=vddk_not_usable folder={}: nbdkit has no vddk plugin, or it cannot load the library there; disks "
            "are read over HTTPS. 'nbdkit vddk --dump-plugin libdir={}' says more",
            options.vddk_library_folder, options.vddk_library_folder);
    }
}

/// Identity and pairing of this appliance, made by migratekit-tunnel: not there yet before the first pairing.
std::string tunnel_folder(const Config& config) {
    const std::string folder = config.get("tunnel.folder", "");
    return folder.empty() ? "" : std::filesystem::absolute(folder).string();
}

/// Passwords of vCenters are in our memory and in the engines'; a core file would keep them. Children inherit it.
void forbid_core_files() {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) != 0) {
        log::warn("event=core_files_not_forbidden errno={}", errno);
    }
}

void serve(const Config& config) {
    forbid_core_files();
    const std::string appliance = appliance_id(config);
    const vsphere::ReaderOptions readers = reader_options(config);
    const std::string state_folder = config.require("state_folder");
    os::make_folders(state_folder);
    const Secret token = os::read_or_create_secret_file(config.require("token_file"));
    const SystemClock clock;
    VsphereGateway vcenter(
        {.limits = {.discovery = std::chrono::seconds{config.number("limits.discovery_seconds", 300, 5, 3600)}},
         .appliance_id = appliance,
         .readers = readers});
    vma::EngineProcess engine({.program = engine_path(config),
                               .appliance_id = appliance,
                               .log_folder = state_folder,
                               .vddk_library_folder = readers.vddk_library_folder,
                               .tunnel_folder = tunnel_folder(config)});
    vma::JobRegistry jobs(state_folder,
                          {.engines = static_cast<std::size_t>(config.number("limits.engines", 4, 1, 64))}, engine,
                          vcenter, clock);
    const http::Router router = vma::make_router(jobs, vcenter, token);
    http::Server server(listen_options(config),
                        [&](const http::ServerRequest& request) { return router.handle(request); });
    log::info("event=listening port={} readers={}", server.port(), vcenter.readers().size());
    warn_without_vddk(readers, vcenter.readers());
    os::notify_ready();
    log::info("event=stopping signal={}", os::wait_for_termination());
    server.stop();
}

}  // namespace

int main(int argc, char** argv) {
    return mk::apps::run_service(argc, argv,
                                 {.name = "vma-api",
                                  .description = "Discovery, power and copies: the service of the VMA appliance.",
                                  .known_keys = known_keys,
                                  .serve = serve});
}

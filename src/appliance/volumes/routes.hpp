#pragma once
// The routes of api/volumes.yaml: HTTP and DTOs over the services of target/volumes, no rules. Handlers run on several
// threads.

#include "base/secret.hpp"
#include "http/server.hpp"
#include "target/volumes/clone_service.hpp"
#include "target/volumes/default_root_service.hpp"
#include "target/volumes/operation_runner.hpp"
#include "target/volumes/snapshot_service.hpp"
#include "target/volumes/volume_service.hpp"
#include "target/volumes/write_session_service.hpp"

namespace mk::volumes_api {

/// Must outlive the router.
struct Services {
    volumes::VolumeService& volumes;
    volumes::CloneService& clones;
    volumes::SnapshotService& snapshots;
    volumes::DefaultRootService& default_roots;
    volumes::WriteSessionService& sessions;
    volumes::OperationRunner& operations;
};

/// Everything but /health needs the bearer token.
http::Router make_router(const Services& services, const Secret& token);

/// The operation that commits a session; also what the daemon starts for sessions that a former run left committing.
std::string submit_commit(const Services& services, const WriteSessionId& id);

}  // namespace mk::volumes_api

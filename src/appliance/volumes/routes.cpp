#include "appliance/volumes/routes.hpp"

#include "appliance/volumes/dto.hpp"
#include "base/json_fields.hpp"

namespace mk::volumes_api {
namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;
using volumes::Progress;

ServerResponse accepted(const std::string& operation_id) {
    return json_response({{"operation_id", operation_id}}, 202);
}

/// Bodies may be absent where nothing is required.
Json body_of(const ServerRequest& request) {
    return request.body.empty() ? Json::object() : request.json();
}

VolumeId volume_in(const ServerRequest& request) {
    return VolumeId{request.params.at("id")};
}
CloudMachineId machine_in(const ServerRequest& request) {
    return CloudMachineId{request.params.at("vm_id")};
}
WriteSessionId session_in(const ServerRequest& request) {
    return WriteSessionId{request.params.at("id")};
}

/// Not given: false. Anything but the two words is refused.
bool flag_in(const ServerRequest& request, const char* name) {
    const auto given = request.query.find(name);
    if (given == request.query.end() || given->second == "false") {
        return false;
    }
    if (given->second != "true") {
        throw Error(ErrorCode::invalid, std::string("the parameter '") + name + "' is 'true' or 'false'");
    }
    return true;
}

bool is_only_clone(const ServerRequest& request) {
    const auto only = request.query.find("only");
    if (only != request.query.end() && only->second != "clone") {
        throw Error(ErrorCode::invalid, "the parameter 'only' can be 'clone' only");
    }
    return only != request.query.end();
}

/// Work on one volume: in its own turn, answered by an operation.
ServerResponse submit(const Services& services, const char* kind, const VolumeId& id,
                      volumes::OperationRunner::Work work) {
    return accepted(services.operations.submit(kind, id.value, id.value, std::move(work)));
}

Json volume_json(const volumes::VolumeView& view) {
    return contracts::to_json(to_contract(view));
}
Json snapshot_json(const volumes::SnapshotView& view) {
    return contracts::to_json(to_contract(view));
}
Json session_json(const volumes::WriteSessionView& view) {
    return contracts::to_json(to_contract(view));
}

template <class Views, class ToJson>
Json list_json(const char* name, const Views& views, ToJson to_json_of) {
    Json list = Json::array();
    for (const auto& view : views) {
        list.push_back(to_json_of(view));
    }
    return {{name, list}};
}

void add_volume_reading(http::Router& router, const Services& s) {
    router.add("GET", "/api/v1/volumes", [s](const ServerRequest& request) {
        const auto context = request.query.find("vm_context_id");
        const auto wanted = context == request.query.end() ? std::nullopt : std::optional(VmContextId{context->second});
        const auto volumes =
            flag_in(request, "clones") ? s.clones.list(wanted, request.stop) : s.volumes.list(wanted, request.stop);
        return json_response(list_json("volumes", volumes, volume_json));
    });
    router.add("GET", "/api/v1/volumes/{id}", [s](const ServerRequest& request) {
        return json_response(volume_json(s.volumes.get(volume_in(request), request.stop)));
    });
    router.add("GET", "/api/v1/volumes/{id}/device", [s](const ServerRequest& request) {
        return json_response(to_json(s.volumes.device(volume_in(request), request.stop)));
    });
    router.add("GET", "/api/v1/machines/{vm_id}/volumes", [s](const ServerRequest& request) {
        return json_response(
            list_json("volumes", s.volumes.machine_volumes(machine_in(request), request.stop),
                      [](const volumes::MachineVolume& volume) { return contracts::to_json(to_contract(volume)); }));
    });
    router.add("GET", "/api/v1/staging", [s](const ServerRequest&) {
        return json_response(contracts::to_json(to_contract(s.sessions.staging())));
    });
}

void add_volume_life(http::Router& router, const Services& s) {
    router.add("POST", "/api/v1/volumes", [s](const ServerRequest& request) {
        const auto create = contracts::create_volume_from(request.json());
        const auto object = create.vm_context_id.value + "/" + create.disk_id.value;
        const volumes::CreateRequest wanted{create.vm_context_id, create.disk_id, create.name, create.size_bytes};
        return accepted(s.operations.submit(
            "create", object.substr(0, 64), "new " + object,
            [s, wanted](const Progress& progress) { return volume_json(s.volumes.create(wanted, progress)); }));
    });
    router.add("POST", "/api/v1/volumes/{id}/resize", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        const auto size = json::require<Bytes>(request.json(), "size_bytes");
        return submit(s, "resize", id,
                      [s, id, size](const Progress& p) { return volume_json(s.volumes.resize(id, size, p)); });
    });
    router.add("DELETE", "/api/v1/volumes/{id}", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        const bool only_clone = is_only_clone(request);
        return submit(s, "delete", id, [s, id, only_clone](const Progress& progress) {
            only_clone ? s.volumes.remove_clone(id, progress) : s.volumes.remove(id, progress);
            return Json::object();
        });
    });
    router.add("POST", "/api/v1/volumes/{id}/clones", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        const auto name = json::require<std::string>(request.json(), "name");
        return submit(s, "clone", id,
                      [s, id, name](const Progress& p) { return volume_json(s.clones.create(id, name, p)); });
    });
    router.add("POST", "/api/v1/volumes/{id}/digest", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        return submit(s, "digest", id,
                      [s, id](const Progress& p) { return Json{{"digest", s.volumes.digest(id, p)}}; });
    });
}

void add_attachment(http::Router& router, const Services& s) {
    router.add("POST", "/api/v1/volumes/{id}/attach", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        const auto body = body_of(request);
        const auto vm = json::find<std::string>(body, "vm_id");
        const auto machine = vm ? std::optional(CloudMachineId{*vm}) : std::nullopt;
        const auto device = json::find<int>(body, "device_id");
        return submit(s, "attach", id, [s, id, machine, device](const Progress& progress) {
            return volume_json(s.volumes.attach(id, machine, device, progress));
        });
    });
    router.add("POST", "/api/v1/volumes/{id}/attach-root", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        const CloudMachineId machine{json::require<std::string>(request.json(), "vm_id")};
        return submit(s, "attach-root", id, [s, id, machine](const Progress& progress) {
            return volume_json(s.volumes.attach_root(id, machine, progress));
        });
    });
    router.add("POST", "/api/v1/volumes/{id}/detach", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        return submit(s, "detach", id,
                      [s, id](const Progress& progress) { return volume_json(s.volumes.detach(id, progress)); });
    });
    router.add("POST", "/api/v1/machines/{vm_id}/discard-default-root", [s](const ServerRequest& request) {
        const auto vm = machine_in(request);
        // Its own key: the service itself takes the machine's lock.
        return accepted(s.operations.submit("discard-default-root", vm.value, "discard " + vm.value,
                                            [s, vm](const Progress& progress) {
                                                return Json{{"volume_id", s.default_roots.discard(vm, progress).value}};
                                            }));
    });
}

void add_snapshots(http::Router& router, const Services& s) {
    router.add("POST", "/api/v1/snapshots", [s](const ServerRequest& request) {
        const auto body = request.json();
        const VolumeId id{json::require<std::string>(body, "volume_id")};
        const auto name = json::require<std::string>(body, "name");
        const bool must_revert = json::value_or<bool>(body, "must_revert", true);
        return submit(s, "snapshot", id, [s, id, name, must_revert](const Progress& progress) {
            return snapshot_json(s.snapshots.create(id, name, must_revert, progress));
        });
    });
    router.add("POST", "/api/v1/snapshots/{id}/revert", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        return submit(s, "revert", id, [s, id](const Progress& p) { return snapshot_json(s.snapshots.revert(id, p)); });
    });
    router.add("DELETE", "/api/v1/snapshots/{id}", [s](const ServerRequest& request) {
        const auto id = volume_in(request);
        return submit(s, "delete-snapshot", id, [s, id](const Progress& progress) {
            s.snapshots.remove(id, progress);
            return Json::object();
        });
    });
    router.add("GET", "/api/v1/snapshots/vm/{vm_context_id}", [s](const ServerRequest& request) {
        const VmContextId context{request.params.at("vm_context_id")};
        return json_response(list_json("snapshots", s.snapshots.list(context, request.stop), snapshot_json));
    });
}

Json mismatches_json(const std::vector<Range>& mismatches) {
    return list_json("mismatches", mismatches,
                     [](const Range& r) { return Json{{"offset", r.offset}, {"length", r.length}}; });
}

void add_sessions(http::Router& router, const Services& s) {
    router.add("POST", "/api/v1/write-sessions", [s](const ServerRequest& request) {
        const auto open = contracts::open_write_session_from(request.json());
        const auto view = s.sessions.open({.job_id = open.job_id,
                                           .volume_id = open.volume_id,
                                           .length = open.length,
                                           .kind = open.kind,
                                           .expect_zero = open.expect_zero,
                                           .expected_bytes = open.expected_bytes,
                                           .resume_of = open.resume_of},
                                          request.stop);
        return json_response(session_json(view));
    });
    router.add("GET", "/api/v1/write-sessions", [s](const ServerRequest& request) {
        const auto job = request.query.find("job_id");
        if (job == request.query.end()) {
            throw Error(ErrorCode::invalid, "the parameter 'job_id' is missing");
        }
        return json_response(list_json("sessions", s.sessions.list_of_job(JobId{job->second}), session_json));
    });
    router.add("POST", "/api/v1/write-sessions/{id}/verify", [s](const ServerRequest& request) {
        const auto id = session_in(request);
        const auto ranges = range_digests_from(request.json());
        // The volume's key: a commit must not begin while its session is being read back.
        return accepted(s.operations.submit(
            "verify", id.value, s.sessions.get(id).row.volume_id.value,
            [s, id, ranges](const Progress& p) { return mismatches_json(s.sessions.verify(id, ranges, p)); }));
    });
    router.add("POST", "/api/v1/write-sessions/{id}/commit",
               [s](const ServerRequest& request) { return accepted(submit_commit(s, session_in(request))); });
    router.add("DELETE", "/api/v1/write-sessions/{id}", [s](const ServerRequest& request) {
        const auto id = session_in(request);
        s.sessions.abort(id, request.stop, flag_in(request, "give_up"));
        return json_response(session_json(s.sessions.get(id)));
    });
}

}  // namespace

std::string submit_commit(const Services& s, const WriteSessionId& id) {
    const auto volume = s.sessions.get(id).row.volume_id;
    return s.operations.submit("commit", id.value, volume.value, [s, id](const Progress& progress) {
        const bool was_committed = s.sessions.get(id).row.state == "committed";
        if (const auto earlier = was_committed ? s.operations.last_result("commit", id.value) : std::nullopt) {
            return json::parse(*earlier);
        }
        const auto committed = s.sessions.commit(id, progress);
        return Json{{"digest", committed.digest}, {"bytes", committed.bytes}};
    });
}

http::Router make_router(const Services& services, const Secret& token) {
    http::Router router([token](std::string_view given) -> std::string {
        if (!constant_time_equal(given, token.reveal())) {
            throw Error(ErrorCode::unauthenticated, "the token is missing or wrong");
        }
        return "appliance";
    });
    router.add(
        "GET", "/health",
        [](const ServerRequest&) { return json_response({{"status", "ok"}, {"version", MK_VERSION}}); }, true);
    router.add("GET", "/api/v1/operations/{id}", [services](const ServerRequest& request) {
        return json_response(contracts::to_json(to_contract(services.operations.get(request.params.at("id")))));
    });
    add_volume_reading(router, services);
    add_volume_life(router, services);
    add_attachment(router, services);
    add_snapshots(router, services);
    add_sessions(router, services);
    return router;
}

}  // namespace mk::volumes_api

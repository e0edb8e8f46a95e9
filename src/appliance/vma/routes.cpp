#include "appliance/vma/routes.hpp"

#include <atomic>

#include "base/json_fields.hpp"
#include "contracts/source_machine_json.hpp"

namespace mk::vma {

namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;

/// Calls to vCenters last seconds to minutes and hold a worker each; the rest of the workers answers for the jobs.
constexpr int most_vcenter_calls = 6;

/// Counts the calls under way; the next one is refused instead of queued.
class CallGate {
  public:
    class Pass {
      public:
        explicit Pass(std::atomic<int>& calls) : calls_(calls) {
            if (++calls_ > most_vcenter_calls) {
                --calls_;
                throw Error(ErrorCode::exhausted, "too many calls to vCenters are under way",
                            {.remedy = "Try again in a moment.", .retry_safe = true});
            }
        }
        ~Pass() { --calls_; }
        Pass(const Pass&) = delete;
        Pass& operator=(const Pass&) = delete;

      private:
        std::atomic<int>& calls_;
    };

    Pass enter() { return Pass(calls_); }

  private:
    std::atomic<int> calls_{0};
};

JobId job_of(const ServerRequest& request) {
    return JobId{request.params.at("job")};
}

Json accepted(const JobId& job) {
    return {{"job_id", job.value}};
}

ServerResponse discover(VcenterGateway& vcenter, const ServerRequest& request) {
    const Json body = request.json();
    const Discovered found = vcenter.discover(contracts::vcenter_access_from(body),
                                              json::value_or<std::string>(body, "filter", ""), request.stop);
    Json machines = Json::array();
    for (const SourceMachine& machine : found.machines) {
        machines.push_back(contracts::to_json(machine));
    }
    return json_response(
        {{"vcenter_uuid", found.vcenter_uuid}, {"version", found.version}, {"machines", std::move(machines)}});
}

ServerResponse sweep(JobRegistry& jobs, VcenterGateway& vcenter, const ServerRequest& request) {
    const Json body = request.json();
    const contracts::VcenterAccess access = contracts::vcenter_access_from(body);
    const auto moref = json::require<std::string>(body, "moref");
    jobs.require_idle(access, moref);
    const Swept swept = vcenter.sweep(access, moref, request.stop);
    return json_response({{"removed", swept.removed}, {"remaining", swept.remaining}});
}

ServerResponse list_snapshots(VcenterGateway& vcenter, const ServerRequest& request) {
    const FoundSnapshots found = vcenter.snapshots(contracts::vcenter_access_from(request.json()), request.stop);
    Json list = Json::array();
    for (const contracts::SourceSnapshot& snapshot : found.snapshots) {
        list.push_back(contracts::to_json(snapshot));
    }
    return json_response({{"vcenter_uuid", found.vcenter_uuid}, {"snapshots", std::move(list)}});
}

ServerResponse remove_snapshot(JobRegistry& jobs, VcenterGateway& vcenter, const ServerRequest& request) {
    const contracts::SnapshotRemoval removal = contracts::snapshot_removal_from(request.json());
    jobs.require_idle(removal.vcenter, removal.moref);
    vcenter.remove_snapshot(removal, request.stop);
    return json_response({{"removed", true}});
}

void add_vcenter_routes(http::Router& router, JobRegistry& jobs, VcenterGateway& vcenter) {
    const auto gate = std::make_shared<CallGate>();
    router.add("POST", "/api/v1/discover", [&vcenter, gate](const ServerRequest& request) {
        const CallGate::Pass pass = gate->enter();
        return discover(vcenter, request);
    });
    router.add("POST", "/api/v1/power", [&vcenter, gate](const ServerRequest& request) {
        const CallGate::Pass pass = gate->enter();
        const auto state = vcenter.power(contracts::power_request_from(request.json()), request.stop);
        return json_response(contracts::to_json(state));
    });
    router.add("POST", "/api/v1/snapshots/sweep", [&jobs, &vcenter, gate](const ServerRequest& request) {
        const CallGate::Pass pass = gate->enter();
        return sweep(jobs, vcenter, request);
    });
    router.add("POST", "/api/v1/snapshots/list", [&vcenter, gate](const ServerRequest& request) {
        const CallGate::Pass pass = gate->enter();
        return list_snapshots(vcenter, request);
    });
    router.add("POST", "/api/v1/snapshots/remove", [&jobs, &vcenter, gate](const ServerRequest& request) {
        const CallGate::Pass pass = gate->enter();
        return remove_snapshot(jobs, vcenter, request);
    });
}

Bytes limit_of(const ServerRequest& request) {
    return contracts::rate_limit_from(request.json()).bytes_per_second;
}

void add_limit_routes(http::Router& router, JobRegistry& jobs) {
    router.add("PUT", "/api/v1/limit", [&jobs](const ServerRequest& request) {
        jobs.limit_all(limit_of(request));
        return ServerResponse{.status = 204};
    });
    router.add("PUT", "/api/v1/jobs/{job}/limit", [&jobs](const ServerRequest& request) {
        jobs.limit(job_of(request), limit_of(request));
        return ServerResponse{.status = 204};
    });
}

void add_job_routes(http::Router& router, JobRegistry& jobs) {
    router.add("POST", "/api/v1/replicate", [&jobs](const ServerRequest& request) {
        const contracts::PassRequest pass = contracts::pass_request_from(request.json());
        jobs.start(pass);
        return json_response(accepted(pass.job_id), 202);
    });
    router.add("GET", "/api/v1/progress/{job}", [&jobs](const ServerRequest& request) {
        return json_response(contracts::to_json(jobs.progress(job_of(request))));
    });
    router.add("GET", "/api/v1/jobs", [&jobs](const ServerRequest&) {
        Json list = Json::array();
        for (const contracts::PassProgress& job : jobs.list()) {
            list.push_back(contracts::to_json(job));
        }
        return json_response({{"jobs", std::move(list)}});
    });
    router.add("POST", "/api/v1/jobs/{job}/stop", [&jobs](const ServerRequest& request) {
        jobs.stop(job_of(request));
        return json_response(accepted(job_of(request)), 202);
    });
    router.add("DELETE", "/api/v1/jobs/{job}", [&jobs](const ServerRequest& request) {
        jobs.forget(job_of(request));
        return json_response(accepted(job_of(request)));
    });
    router.add("DELETE", "/api/v1/checkpoints/{machine}", [&jobs](const ServerRequest& request) {
        jobs.forget_checkpoint(request.params.at("machine"));
        return ServerResponse{.status = 204};
    });
}

}  // namespace

http::Router make_router(JobRegistry& jobs, VcenterGateway& vcenter, const Secret& token) {
    http::Router router([token](std::string_view given) -> std::string {
        if (!constant_time_equal(given, token.reveal())) {
            throw Error(ErrorCode::unauthenticated, "the bearer token is missing or wrong",
                        {.remedy = "Use the content of the VMA's token file."});
        }
        return "oma";
    });
    router.add(
        "GET", "/health",
        [&vcenter](const ServerRequest&) {
            return json_response({{"status", "ok"}, {"version", MK_VERSION}, {"readers", vcenter.readers()}});
        },
        true);
    add_vcenter_routes(router, jobs, vcenter);
    add_job_routes(router, jobs);
    add_limit_routes(router, jobs);
    return router;
}

}  // namespace mk::vma

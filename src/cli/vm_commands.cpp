// vm list, show, add, set, remove, watch.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "base/retry.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "cli/job_follower.hpp"
#include "cli/names.hpp"
#include "cli/several.hpp"
#include "cli/vm_view.hpp"

namespace mk::cli {

namespace {

using json::value_or;

constexpr std::chrono::seconds watch_interval{1};

ExitCode list(Session& session, const Input& input) {
    auto answer = session.api().get("/api/v1/vms");
    const auto wanted = split_list(input.list("--status"));
    auto table = vm_table();
    Json kept = Json::array();
    for (const auto& machine : value_or<Json>(answer, "vms", Json::array())) {
        const auto status = value_or<std::string>(machine, "status", "");
        if (wanted.empty() || std::find(wanted.begin(), wanted.end(), status) != wanted.end()) {
            kept.push_back(machine);
            table.rows.push_back(vm_row(machine, session.now()));
        }
    }
    if (!wanted.empty()) {
        table.empty_text = "No machine matches.";
    }
    answer["vms"] = kept;
    session.show(answer, table);
    return ExitCode::done;
}

ExitCode show(Session& session, const Input& input) {
    const auto machine = session.api().get(vm_path(input.text("VM")));
    session.show(machine, vm_facts(machine, session.now()));
    return ExitCode::done;
}

ExitCode add(Session& session, const Input& input) {
    auto& api = session.api();
    api.allow_long_calls();
    std::vector<Json> jobs;
    const auto code = for_each_item(session, input.list("SOURCE"), [&](const std::string& source) {
        const auto answer = api.post(
            "/api/v1/replications",
            {{"machine", source}, {"vcenter", input.text("--vcenter")}, {"start_replication", input.has("--sync")}});
        const auto id = json::require<std::string>(answer, "context_id");
        session.say("Added " + source + " as " + id + ".");
        if (input.has("--sync")) {
            jobs.push_back(answer);
        } else {
            session.show(answer, {.columns = {{"CONTEXT ID"}}, .rows = {{id}}, .empty_text = {}, .has_header = false});
        }
    });
    return worse(code, started(session, input, jobs));
}

ExitCode set(Session& session, const Input& input) {
    const auto machine = session.api().patch(vm_path(input.text("VM")), {{"boot_disk_id", input.text("--boot-disk")}});
    session.show(machine, vm_facts(machine, session.now()));
    return ExitCode::done;
}

ExitCode remove(Session& session, const Input& input) {
    auto& api = session.api();
    const auto machine = api.get(vm_path(input.text("VM")));
    const auto name = json::require<std::string>(machine, "name");
    const bool is_committed = value_or<std::string>(machine, "status", "") == "committed";
    const bool keep = input.has("--keep-volumes");
    require_confirmation(
        session, input, name,
        name + " leaves management. The source is not touched. " +
            (keep || is_committed ? "Its volumes stay in CloudStack." : "Its volumes in CloudStack are deleted."));
    api.allow_long_calls();
    const auto answer =
        api.remove(vm_path(json::require<std::string>(machine, "context_id"), keep ? "?keep_volumes=true" : ""));
    session.show(answer, {.columns = {}, .rows = {}, .empty_text = "Removed " + printable(name) + "."});
    return ExitCode::done;
}

/// Follows one machine until interrupted or the time is over: its state when that changes, its jobs as they run.
ExitCode watch(Session& session, const Input& input) {
    const auto limit = input.duration("--timeout");
    const auto start = session.now();
    std::string told;
    for (;;) {
        const auto machine = session.api().get(vm_path(input.text("VM")));
        const auto status = value_or<std::string>(machine, "status", "");
        const auto job = value_or<std::string>(machine, "current_job_id", "");
        if (told != status + job) {
            told = status + job;
            if (session.is_json()) {
                session.show_line(machine);
            } else {
                const auto reason = value_or<std::string>(machine, "status_reason", "");
                session.write(printable(value_or<std::string>(machine, "name", "") + ": " +
                                        value_or<std::string>(machine, "status_label", "") +
                                        (reason.empty() ? "" : ": " + reason)) +
                              "\n");
            }
        }
        const auto spent = std::chrono::duration_cast<std::chrono::seconds>(session.now() - start);
        if (limit && spent >= *limit) {
            return ExitCode::wait_timeout;
        }
        if (!job.empty()) {
            const auto code = wait_for_jobs(session, {job}, limit ? std::optional(*limit - spent) : std::nullopt);
            if (code == ExitCode::interrupted || code == ExitCode::wait_timeout) {
                return code;
            }
        }
        if (!pause(watch_interval, session.stop())) {
            return ExitCode::interrupted;
        }
    }
}

}  // namespace

std::vector<Command> vm_commands() {
    return {{.words = "vm list",
             .summary = "Managed machines with status and next step.",
             .example = "migratekit vm list --status failed,cleanup_required",
             .options = {{"--status", "STATUS", "only these, separated by commas, e.g. ready_for_failover,failed",
                          false, true}},
             .run = list},
            {.words = "vm show",
             .summary = "Everything about one machine.",
             .example = "migratekit vm show app-01",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .run = show},
            {.words = "vm add",
             .summary = "Takes machines of a vCenter into management; nothing is copied unless --sync is given.",
             .example = "migratekit vm add app-01 --sync --wait",
             .arguments = {{"SOURCE", "name, inventory path or instance UUID at the source", true}},
             .options = with_wait({{"--vcenter", "NAME", "which vCenter; not needed when there is only one"},
                                   {"--sync", "", "start the first sync"}}),
             .run = add},
            {.words = "vm set",
             .summary = "Overrides from which disk the machine boots in CloudStack.",
             .example = "migratekit vm set app-01 --boot-disk disk-2001",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .options = {{"--boot-disk", "DISK", "one of its disks, as \"vm show\" names them", true}},
             .run = set},
            {.words = "vm remove",
             .summary = "Takes a machine out of management; deletes its copy unless told otherwise or committed. The "
                        "source is not touched.",
             .example = "migratekit vm remove app-01 --confirm app-01",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .options = {{"--keep-volumes", "", "leave the volumes in CloudStack"},
                         {"--confirm", "NAME", "the machine's name; asked for on a terminal"}},
             .run = remove},
            {.words = "vm watch",
             .summary = "Follows a machine and its jobs until Ctrl C.",
             .example = "migratekit vm watch app-01",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .options = {{"--timeout", "TIME", "stop after this time, e.g. 2h"}},
             .run = watch}};
}

}  // namespace mk::cli

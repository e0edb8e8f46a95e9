// cleanup plan, run.

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "cli/commands.hpp"
#include "cli/confirmation.hpp"
#include "cli/failover_view.hpp"
#include "cli/job_follower.hpp"

namespace mk::cli {

namespace {

Json plan_of(Session& session, const std::string& machine) {
    auto& api = session.api();
    api.allow_long_calls();
    return api.get(vm_path(machine, "/cleanup-plan"));
}

ExitCode plan(Session& session, const Input& input) {
    const auto answer = plan_of(session, input.text("VM"));
    if (session.is_json()) {
        session.show_document(answer);
        return ExitCode::done;
    }
    session.write(plan_text(answer));
    return ExitCode::done;
}

ExitCode run(Session& session, const Input& input) {
    const auto machine = input.text("VM");
    // A person sees what will happen; a script has asked for it.
    if (session.terminal().can_ask() && !session.is_json() && !input.has("--yes")) {
        require_consent(
            session, input,
            plan_text(plan_of(session, machine)) + "Volumes that hold replicated data are never deleted.\n");
    }
    return started(session, input, {session.api().post("/api/v1/failover/cleanup", {{"context_id", machine}})});
}

}  // namespace

std::vector<Command> cleanup_commands() {
    return {{.words = "cleanup plan",
             .summary = "What a cleanup would do, step by step, read from reality; changes nothing.",
             .example = "migratekit cleanup plan erp-02",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .run = plan},
            {.words = "cleanup run",
             .summary = "Rolls back what a broken failover left; never deletes replicated data.",
             .example = "migratekit cleanup run erp-02 --wait",
             .arguments = {{"VM", "name, ctx- id or unique prefix"}},
             .options = with_wait({{"--yes", "", "do not ask, also on a terminal"}}),
             .run = run}};
}

}  // namespace mk::cli

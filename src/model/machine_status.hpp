#pragma once
// Where a managed machine is in its life (gui.md section 4), what may be done in each state, and the only legal
// changes.
//
//  discovered -> initial_sync -> ready_for_failover <-> replicating
//  ready -> failing_over_test -> failed_over_test -> rolling_back -> ready
//  ready -> failing_over_live -> failed_over_live -> committed, or -> rolling_back -> ready
//  any "...ing" state -> failed | cleanup_required when it breaks; cleanup_required -> rolling_back
//  ready | failed | cleanup_required -> discovered when a removal broke after it had begun to delete the copy
// A test on clones leaves the replicas alone: increments and verifications run meanwhile and leave the state as it is.

#include <optional>
#include <string>
#include <string_view>

namespace mk {

enum class MachineStatus {
    discovered,
    initial_sync,
    replicating,
    ready_for_failover,
    failed,
    failing_over_test,
    failed_over_test,
    rolling_back,
    failing_over_live,
    failed_over_live,
    committed,
    cleanup_required,
};

enum class MachineAction {
    sync,
    full_sync,
    test_failover,
    finish_test,
    live_failover,
    commit,
    go_back,
    cleanup,
    remove,
    verify,
    set_boot_disk,
};

/// What decides beside the state.
struct MachineFacts {
    bool has_recovery_point = true;  ///< a machine whose last sync failed may still have one
    bool test_on_clones = false;     ///< the test that runs has volumes of its own
};

/// Why an action may not start, and the way out. For the operator; neither part is ever empty. The command line's words
/// stand with VM for the machine, whose name is not known here.
struct Refusal {
    std::string reason;  ///< a cause: "a test is running"
    std::string remedy;  ///< "Finish the test: migratekit failover finish VM --verdict VERDICT"
};

std::string_view to_string(MachineStatus status);
MachineStatus machine_status_from(std::string_view word);
/// The label of gui.md section 4: "Ready", "Test running" ...
std::string_view label(MachineStatus status);
std::string_view to_string(MachineAction action);

/// Nothing when the action may start in this state.
std::optional<Refusal> refusal(MachineStatus status, MachineAction action, const MachineFacts& facts = {});
/// With the machine's name in place of VM.
Refusal for_machine(Refusal refused, const std::string& name);
/// The state while a job runs that was begun in `status` and would by itself show `wanted`, and in which it ends: what
/// runs beside a test on clones leaves the test's state alone.
MachineStatus beside_a_test(MachineStatus status, MachineAction action, MachineStatus wanted);
/// Whether the table knows this change. Staying in a state is always legal.
bool is_legal(MachineStatus from, MachineStatus to);
/// The next step offered to the operator: "Start first sync", "Test failover" ...; empty for none.
std::string next_step(MachineStatus status, bool ever_tested);

}  // namespace mk

#include "model/machine_status.hpp"

#include <algorithm>
#include <vector>

#include "model/words.hpp"

namespace mk {

namespace {

using S = MachineStatus;
using A = MachineAction;

constexpr words::Table<S, 12> statuses{{
    {S::discovered, "discovered"},
    {S::initial_sync, "initial_sync"},
    {S::replicating, "replicating"},
    {S::ready_for_failover, "ready_for_failover"},
    {S::failed, "failed"},
    {S::failing_over_test, "failing_over_test"},
    {S::failed_over_test, "failed_over_test"},
    {S::rolling_back, "rolling_back"},
    {S::failing_over_live, "failing_over_live"},
    {S::failed_over_live, "failed_over_live"},
    {S::committed, "committed"},
    {S::cleanup_required, "cleanup_required"},
}};

constexpr words::Table<S, 12> labels{{
    {S::discovered, "Not replicated"},
    {S::initial_sync, "Initial sync"},
    {S::replicating, "Syncing changes"},
    {S::ready_for_failover, "Ready"},
    {S::failed, "Sync failed"},
    {S::failing_over_test, "Test starting"},
    {S::failed_over_test, "Test running"},
    {S::rolling_back, "Rolling back"},
    {S::failing_over_live, "Failing over"},
    {S::failed_over_live, "Failed over"},
    {S::committed, "Migrated"},
    {S::cleanup_required, "Cleanup required"},
}};

constexpr words::Table<A, 11> actions{{
    {A::sync, "sync"},
    {A::full_sync, "full_sync"},
    {A::test_failover, "test_failover"},
    {A::finish_test, "finish_test"},
    {A::live_failover, "live_failover"},
    {A::commit, "commit"},
    {A::go_back, "go_back"},
    {A::cleanup, "cleanup"},
    {A::remove, "remove"},
    {A::verify, "verify"},
    {A::set_boot_disk, "set_boot_disk"},
}};

const std::vector<S>& followers(S from) {
    // A failover that fails before it changed anything, or undid itself, goes straight back to ready.
    // A first sync that was stopped before its first recovery point leaves a machine that is not replicated,
    // and so does a removal that broke after its first deletion.
    static const std::vector<std::pair<S, std::vector<S>>> table{
        {S::discovered, {S::initial_sync}},
        {S::initial_sync, {S::ready_for_failover, S::discovered, S::failed, S::cleanup_required}},
        {S::replicating, {S::ready_for_failover, S::failed, S::cleanup_required}},
        {S::ready_for_failover,
         {S::replicating, S::initial_sync, S::failing_over_test, S::failing_over_live, S::discovered}},
        {S::failed, {S::initial_sync, S::replicating, S::failing_over_test, S::failing_over_live, S::discovered}},
        {S::failing_over_test,
         {S::failed_over_test, S::rolling_back, S::ready_for_failover, S::failed, S::cleanup_required}},
        {S::failed_over_test, {S::rolling_back}},
        {S::rolling_back, {S::ready_for_failover, S::failed, S::cleanup_required}},
        {S::failing_over_live,
         {S::failed_over_live, S::rolling_back, S::ready_for_failover, S::failed, S::cleanup_required}},
        {S::failed_over_live, {S::committed, S::rolling_back}},
        {S::committed, {}},
        {S::cleanup_required, {S::rolling_back, S::discovered}},
    };
    static const std::vector<S> none;
    const auto row = std::find_if(table.begin(), table.end(), [&](const auto& entry) { return entry.first == from; });
    return row == table.end() ? none : row->second;
}

std::vector<A> permitted(S status, const MachineFacts& facts) {
    switch (status) {
        case S::discovered:
            return {A::sync, A::full_sync, A::remove, A::set_boot_disk};
        case S::ready_for_failover:
            return {A::sync, A::full_sync, A::test_failover, A::live_failover, A::remove, A::verify, A::set_boot_disk};
        case S::failed:
            return {A::sync, A::full_sync, A::test_failover, A::live_failover, A::remove, A::set_boot_disk};
        case S::failed_over_test:
            // Not a full copy: it is for copies that went wrong, and those should not be rehearsed with.
            return facts.test_on_clones ? std::vector<A>{A::finish_test, A::sync, A::verify}
                                        : std::vector<A>{A::finish_test};
        case S::failed_over_live:
            return {A::commit, A::go_back};
        case S::committed:
            return {A::remove};
        case S::cleanup_required:
            return {A::cleanup, A::remove};
        case S::initial_sync:
        case S::replicating:
        case S::failing_over_test:
        case S::rolling_back:
        case S::failing_over_live:
            return {};
    }
    return {};
}

/// What is in the way in this state, and the way out.
Refusal obstacle(S status) {
    switch (status) {
        case S::discovered:
            return {"the machine has no recovery point yet", "Start the first sync: migratekit sync start VM"};
        case S::initial_sync:
        case S::replicating:
            return {"a sync is running", "Wait for its end, or stop it: migratekit sync stop VM"};
        case S::failing_over_test:
            return {"a test failover is starting",
                    "Wait for it, or stop it, which rolls it back: migratekit job cancel JOB"};
        case S::failed_over_test:
            return {"a test is running",
                    "Finish the test, which rolls it back: migratekit failover finish VM --verdict VERDICT"};
        case S::rolling_back:
            return {"a rollback is running", "Wait for its end: migratekit vm watch VM"};
        case S::failing_over_live:
            return {"a live failover is running",
                    "Wait for it, or stop it before its machine is started, which rolls it back: migratekit job "
                    "cancel JOB"};
        case S::failed_over_live:
            return {"the machine runs in the cloud",
                    "Keep it there: migratekit failover commit VM; or return to the source: migratekit failover back "
                    "VM"};
        case S::committed:
            return {"the machine was migrated and its failover is committed",
                    "All that is left is to remove it from management: migratekit vm remove VM"};
        case S::cleanup_required:
            return {"an operation left something behind", "Clean up first: migratekit cleanup run VM"};
        case S::ready_for_failover:
        case S::failed:
            return {"there is nothing of that kind to end: the machine is neither failed over nor in need of cleanup",
                    "Nothing needs to be done."};
    }
    return {"the state is unknown", "Look at it: migratekit vm show VM"};
}

bool ends_something(A action) {
    return action == A::finish_test || action == A::commit || action == A::go_back || action == A::cleanup;
}

}  // namespace

std::string_view to_string(MachineStatus status) {
    return words::word_of(statuses, status);
}
MachineStatus machine_status_from(std::string_view word) {
    return words::value_of(statuses, word, "machine status");
}
std::string_view label(MachineStatus status) {
    return words::word_of(labels, status);
}
std::string_view to_string(MachineAction action) {
    return words::word_of(actions, action);
}

std::optional<Refusal> refusal(MachineStatus status, MachineAction action, const MachineFacts& facts) {
    const std::vector<A> allowed = permitted(status, facts);
    const bool is_failover = action == A::test_failover || action == A::live_failover;
    if (status == S::failed && action == A::verify) {
        // There may be parts of a newer copy than the recovery point: nothing whole to compare.
        return Refusal{"the last sync did not end well", "Start the sync again: migratekit sync start VM"};
    }
    if (std::find(allowed.begin(), allowed.end(), action) == allowed.end()) {
        return obstacle(ends_something(action) && status == S::discovered ? S::ready_for_failover : status);
    }
    if (is_failover && !facts.has_recovery_point) {
        return obstacle(S::discovered);
    }
    return std::nullopt;
}

Refusal for_machine(Refusal refused, const std::string& name) {
    static constexpr std::string_view placeholder = " VM";
    const auto ends_word = [](const std::string& text, std::size_t at) {
        return at == text.size() || text[at] == ' ' || text[at] == ';' || text[at] == ',';
    };
    auto& text = refused.remedy;
    for (auto at = text.find(placeholder); at != std::string::npos; at = text.find(placeholder, at)) {
        const auto end = at + placeholder.size();
        if (ends_word(text, end)) {
            text.replace(at + 1, placeholder.size() - 1, name);
            at += name.size();
        } else {
            at = end;
        }
    }
    return refused;
}

MachineStatus beside_a_test(MachineStatus status, MachineAction action, MachineStatus wanted) {
    const bool is_beside = status == S::failed_over_test && (action == A::sync || action == A::verify);
    return is_beside ? status : wanted;
}

bool is_legal(MachineStatus from, MachineStatus to) {
    const std::vector<S>& next = followers(from);
    return from == to || std::find(next.begin(), next.end(), to) != next.end();
}

std::string next_step(MachineStatus status, bool ever_tested) {
    switch (status) {
        case S::discovered:
            return "Start first sync";
        case S::ready_for_failover:
            return ever_tested ? "Live failover" : "Test failover";
        case S::failed:
            return "Try again";
        case S::failing_over_test:
        case S::rolling_back:
        case S::failing_over_live:
            return "Watch";
        case S::failed_over_test:
            return "Finish test";
        case S::failed_over_live:
            return "Commit or go back";
        case S::committed:
            return "Remove from management";
        case S::cleanup_required:
            return "Clean up";
        case S::initial_sync:
        case S::replicating:
            return "";
    }
    return "";
}

}  // namespace mk

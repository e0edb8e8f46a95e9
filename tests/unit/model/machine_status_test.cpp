#include "model/machine_status.hpp"

#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"

using namespace mk;
using S = MachineStatus;
using A = MachineAction;

namespace {

const std::vector<S> all_statuses{S::discovered,         S::initial_sync, S::replicating,
                                  S::ready_for_failover, S::failed,       S::failing_over_test,
                                  S::failed_over_test,   S::rolling_back, S::failing_over_live,
                                  S::failed_over_live,   S::committed,    S::cleanup_required};
const std::vector<A> all_actions{A::sync,          A::full_sync, A::test_failover, A::finish_test,
                                 A::live_failover, A::commit,    A::go_back,       A::cleanup,
                                 A::remove,        A::verify,    A::set_boot_disk};

std::set<A> allowed(S status, const MachineFacts& facts = {}) {
    std::set<A> out;
    for (const A action : all_actions) {
        if (!refusal(status, action, facts)) {
            out.insert(action);
        }
    }
    return out;
}

}  // namespace

TEST(MachineStatus, WordsGoBothWays) {
    for (const S status : all_statuses) {
        EXPECT_EQ(machine_status_from(to_string(status)), status);
        EXPECT_FALSE(label(status).empty());
    }
    EXPECT_EQ(to_string(S::ready_for_failover), "ready_for_failover");
    EXPECT_EQ(label(S::ready_for_failover), "Ready");
    EXPECT_THROW(machine_status_from("splendid"), Error);
}

TEST(MachineStatus, AllowsWhatTheTableSays) {
    const std::set<A> syncs{A::sync, A::full_sync, A::test_failover, A::live_failover, A::remove, A::set_boot_disk};
    EXPECT_EQ(allowed(S::discovered), (std::set<A>{A::sync, A::full_sync, A::remove, A::set_boot_disk}));
    EXPECT_EQ(allowed(S::ready_for_failover), (std::set<A>{A::sync, A::full_sync, A::test_failover, A::live_failover,
                                                           A::remove, A::verify, A::set_boot_disk}));
    EXPECT_EQ(allowed(S::failed), syncs);
    EXPECT_EQ(allowed(S::failed_over_test), (std::set<A>{A::finish_test}));
    EXPECT_EQ(allowed(S::cleanup_required), (std::set<A>{A::cleanup, A::remove}));
    EXPECT_EQ(allowed(S::failed_over_live), (std::set<A>{A::commit, A::go_back}));
    EXPECT_EQ(allowed(S::committed), (std::set<A>{A::remove}));
    for (const S busy :
         {S::initial_sync, S::replicating, S::failing_over_test, S::rolling_back, S::failing_over_live}) {
        EXPECT_EQ(allowed(busy), std::set<A>{}) << to_string(busy);
    }
}

TEST(MachineStatus, AFailoverNeedsARecoveryPoint) {
    const MachineFacts without{.has_recovery_point = false};
    EXPECT_EQ(allowed(S::failed, without), (std::set<A>{A::sync, A::full_sync, A::remove, A::set_boot_disk}));
    EXPECT_EQ(allowed(S::failed).count(A::test_failover), 1U);
    EXPECT_NE(refusal(S::failed, A::live_failover, without)->reason.find("recovery point"), std::string::npos);
    EXPECT_NE(refusal(S::failed, A::live_failover, without)->remedy.find("sync start"), std::string::npos);
}

TEST(MachineStatus, BesideATestOnClonesIncrementsGoOn) {
    const MachineFacts on_clones{.test_on_clones = true};
    EXPECT_EQ(allowed(S::failed_over_test, on_clones), (std::set<A>{A::finish_test, A::sync, A::verify}));
    for (const S status : all_statuses) {
        if (status != S::failed_over_test) {
            EXPECT_EQ(allowed(status, on_clones), allowed(status)) << to_string(status);
        }
    }
    EXPECT_EQ(beside_a_test(S::failed_over_test, A::sync, S::replicating), S::failed_over_test);
    EXPECT_EQ(beside_a_test(S::failed_over_test, A::verify, S::ready_for_failover), S::failed_over_test);
    EXPECT_EQ(beside_a_test(S::failed_over_test, A::finish_test, S::rolling_back), S::rolling_back);
    EXPECT_EQ(beside_a_test(S::ready_for_failover, A::sync, S::replicating), S::replicating);
}

TEST(MachineStatus, AVerificationNeedsACopyThatIsWhole) {
    EXPECT_NE(refusal(S::discovered, A::verify)->remedy.find("sync start"), std::string::npos);
    EXPECT_NE(refusal(S::failed, A::verify)->remedy.find("sync start"), std::string::npos);
    EXPECT_NE(refusal(S::replicating, A::verify)->reason.find("sync is running"), std::string::npos);
}

TEST(MachineStatus, EveryRefusalSaysWhatToDo) {
    for (const S status : all_statuses) {
        for (const A action : all_actions) {
            if (const auto refused = refusal(status, action)) {
                EXPECT_FALSE(refused->reason.empty()) << to_string(status) << to_string(action);
                EXPECT_FALSE(refused->remedy.empty()) << to_string(status) << to_string(action);
            }
        }
    }
}

TEST(MachineStatus, NothingToEndNeedsNoRemedy) {
    for (const S idle : {S::discovered, S::ready_for_failover, S::failed}) {
        for (const A ending : {A::finish_test, A::cleanup, A::commit, A::go_back}) {
            EXPECT_EQ(refusal(idle, ending)->remedy, "Nothing needs to be done.");
        }
    }
}

TEST(MachineStatus, RemediesNameTheCommand) {
    EXPECT_NE(refusal(S::failed_over_test, A::sync)->remedy.find("failover finish"), std::string::npos);
    EXPECT_NE(refusal(S::failed_over_live, A::remove)->remedy.find("failover commit"), std::string::npos);
    EXPECT_NE(refusal(S::failed_over_live, A::remove)->remedy.find("failover back"), std::string::npos);
    EXPECT_NE(refusal(S::committed, A::go_back)->remedy.find("vm remove"), std::string::npos);
    EXPECT_NE(refusal(S::failing_over_test, A::sync)->remedy.find("job cancel"), std::string::npos);
    EXPECT_NE(refusal(S::cleanup_required, A::sync)->remedy.find("cleanup run"), std::string::npos);
}

TEST(MachineStatus, KnowsTheLegalChanges) {
    EXPECT_TRUE(is_legal(S::discovered, S::initial_sync));
    EXPECT_TRUE(is_legal(S::initial_sync, S::ready_for_failover));
    EXPECT_TRUE(is_legal(S::ready_for_failover, S::replicating));
    EXPECT_TRUE(is_legal(S::failed_over_test, S::rolling_back));
    EXPECT_TRUE(is_legal(S::cleanup_required, S::rolling_back));
    EXPECT_TRUE(is_legal(S::failed_over_live, S::committed));
    EXPECT_TRUE(is_legal(S::failed_over_live, S::rolling_back));
    EXPECT_TRUE(is_legal(S::ready_for_failover, S::discovered));
    EXPECT_FALSE(is_legal(S::discovered, S::ready_for_failover));
    EXPECT_FALSE(is_legal(S::ready_for_failover, S::failed_over_test));
    EXPECT_FALSE(is_legal(S::failed_over_test, S::ready_for_failover));
    EXPECT_FALSE(is_legal(S::cleanup_required, S::ready_for_failover));
    EXPECT_FALSE(is_legal(S::committed, S::discovered));
}

TEST(MachineStatus, StayingIsLegalAndCommittedIsTheEnd) {
    for (const S status : all_statuses) {
        EXPECT_TRUE(is_legal(status, status));
        EXPECT_EQ(is_legal(S::committed, status), status == S::committed);
    }
}

TEST(MachineStatus, EveryStateCanBeLeftExceptCommitted) {
    for (const S from : all_statuses) {
        int ways = 0;
        for (const S to : all_statuses) {
            ways += from != to && is_legal(from, to) ? 1 : 0;
        }
        EXPECT_EQ(ways > 0, from != S::committed) << to_string(from);
    }
}

TEST(MachineStatus, OffersTheNextStep) {
    EXPECT_EQ(next_step(S::discovered, false), "Start first sync");
    EXPECT_EQ(next_step(S::ready_for_failover, false), "Test failover");
    EXPECT_EQ(next_step(S::ready_for_failover, true), "Live failover");
    EXPECT_EQ(next_step(S::replicating, true), "");
    EXPECT_EQ(next_step(S::cleanup_required, true), "Clean up");
}

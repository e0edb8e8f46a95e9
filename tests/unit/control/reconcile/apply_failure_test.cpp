// The process dies between any two effects of an application, or any call fails once: afterwards it is done, or can be
// applied again, and nothing else was touched.

#include "unit/control/reconcile/world.hpp"

namespace mk::reconcile {
namespace {

constexpr int more_than_all = 200;

class ApplyFailure : public ReconcileWorld {
  protected:
    /// One of each kind that is removed: a machine without, a volume with an owner, a snapshot in a vCenter.
    std::string prepare(int which) {
        add_replica("v-1", web);
        switch (which) {
            case 0:
                add_machine("m-9", web);
                return "m-9";
            case 1:
                know_gone();
                add_replica("v-9", gone);
                return "v-9";
            default:
                add_source_snapshot("snap-1", ended_job(web));
                return "vc-one/vm-1/snap-1";
        }
    }
    bool is_gone(int which) const {
        const auto& snapshots = vcenters.views.at("https://one/sdk").snapshots;
        return which == 0   ? cloud.view.machines.size() == 1
               : which == 1 ? cloud.view.volumes.size() == 1
                            : snapshots.empty();
    }
    void expect_untouched() {
        ASSERT_FALSE(cloud.view.volumes.empty());
        EXPECT_EQ(cloud.view.volumes.front().id, VolumeId{"v-1"});
        EXPECT_TRUE(stored->query_one("SELECT volume_id FROM ossea_volumes WHERE volume_id = 'v-1'"));
        EXPECT_TRUE(machines.find(web)->current_job.empty());
        EXPECT_EQ(machines.find(web)->status, MachineStatus::discovered);
        EXPECT_TRUE(job_log.list({}, true, 10).empty());
    }
    void wait_for_end() {
        wait_until([&] { return faults.is_dead() || job_log.list({}, true, 10).empty(); }, std::chrono::milliseconds{1},
                   std::chrono::seconds{60}, {}, "the job did not end");
    }
    /// False when the n-th effect does not exist any more.
    bool die_at(int which, int n) {
        const auto object = prepare(which);
        settle();
        const auto finding = id_of(object);
        faults.kill_at(n);
        try {
            service->apply(finding, which == 1 ? object : "", "test");
        } catch (const Error&) {
            EXPECT_TRUE(faults.is_dead());
        }
        try {
            wait_for_end();
        } catch (const Error&) {
            EXPECT_TRUE(faults.is_dead());
        }
        const bool has_died = faults.is_dead();
        restart();
        wait_for_end();
        // Where the process died before the job was begun nothing has happened; it is asked for again.
        if (!is_gone(which)) {
            EXPECT_EQ(apply(object, which == 1 ? object : ""), JobStatus::completed);
        }
        EXPECT_TRUE(is_gone(which)) << "effect " << n;
        EXPECT_TRUE(settle().findings.empty()) << "effect " << n;
        EXPECT_TRUE(ledger.open_entries().empty()) << "effect " << n;
        expect_untouched();
        return has_died;
    }
};

/// Each death gets a world of its own.
class DeathAt : public ApplyFailure, public testing::WithParamInterface<int> {};

TEST_P(DeathAt, AnyEffectLeavesNothingHalfDone) {
    int n = 1;
    while (die_at(GetParam(), n) && n < more_than_all && !HasFailure()) {
        ++n;
        stored->execute("DELETE FROM ossea_volumes");
        cloud.view.volumes.clear();
        faults.revive();
    }
    EXPECT_GE(n, 8);
    EXPECT_LT(n, more_than_all);
}

INSTANTIATE_TEST_SUITE_P(EachKind, DeathAt, testing::Values(0, 1, 2));

class CallFailure : public ApplyFailure, public testing::WithParamInterface<test::Moment> {};

TEST_P(CallFailure, AnyCallMayFailOnce) {
    for (int which = 0; which < 3; ++which) {
        for (int n = 1;; ++n) {
            ASSERT_LT(n, more_than_all);
            SCOPED_TRACE("object " + std::to_string(which) + " call " + std::to_string(n));
            const auto object = prepare(which);
            settle();
            const auto confirmation = which == 1 ? object : "";
            faults.fail_call(n, GetParam());
            const auto ended = apply(object, confirmation);
            const bool is_hit = !faults.hit().empty();
            EXPECT_EQ(ended, is_hit ? JobStatus::failed : JobStatus::completed) << faults.hit();
            faults.mend();
            if (is_hit) {
                settle();
                if (!service->report().findings.empty()) {
                    EXPECT_EQ(outcome(service->apply(service->report().findings.front().id, confirmation, "test")),
                              JobStatus::completed);
                }
            }
            EXPECT_TRUE(is_gone(which));
            EXPECT_TRUE(settle().findings.empty());
            EXPECT_TRUE(ledger.open_entries().empty());
            expect_untouched();
            stored->execute("DELETE FROM ossea_volumes");
            cloud.view.volumes.clear();
            if (!is_hit || HasFailure()) {
                break;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(EachMoment, CallFailure, testing::Values(test::Moment::before, test::Moment::after));

}  // namespace
}  // namespace mk::reconcile

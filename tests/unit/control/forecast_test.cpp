#include "control/failover/forecast.hpp"

#include <algorithm>

#include "unit/control/control_plane.hpp"

namespace mk::failover {
namespace {

using namespace std::chrono_literals;

const Instant noon = from_ms(1'767'225'600'000);

ForecastFacts facts(bool live) {
    ForecastFacts facts;
    facts.live = live;
    facts.shutdown_limit = 600s;
    facts.boot_limit = 600s;
    facts.now = noon;
    facts.used = 100 * GiB;
    return facts;
}

PastPass pass(std::chrono::minutes ago, bool incremental, Bytes changed, std::chrono::milliseconds copy) {
    return {.snapshot = noon - ago, .incremental = incremental, .changed = changed, .copy = copy, .rest = 10s};
}

const ForecastPart& part(const Forecast& forecast, const std::string& title) {
    const auto found = std::find_if(forecast.parts.begin(), forecast.parts.end(),
                                    [&](const ForecastPart& one) { return one.title == title; });
    EXPECT_NE(found, forecast.parts.end()) << title;
    return found == forecast.parts.end() ? forecast.parts.front() : *found;
}

/// Ten minutes and 6 GiB between two passes, at 100 MiB/s; the last one is five minutes ago.
ForecastFacts well_known() {
    auto known = facts(true);
    known.passes = {pass(5min, true, 6 * GiB, std::chrono::milliseconds{61'440}),
                    pass(15min, true, 6 * GiB, std::chrono::milliseconds{61'440}),
                    pass(25min, false, 100 * GiB, std::chrono::milliseconds{1'024'000})};
    return known;
}

TEST(Forecast, LastChangesFollowFromTheRateOfChangeAndTheRateOfTheCopies) {
    const auto expected = expected_changes(well_known());
    EXPECT_EQ(expected.likely, 3 * GiB);  // five minutes of 6 GiB in ten
    EXPECT_GT(expected.at_most, expected.likely);

    const auto changes = part(forecast(well_known()), "Send the last changes");
    EXPECT_NEAR(static_cast<double>(changes.likely.count()), 10 + 3 * 10.24, 2);
    EXPECT_GT(changes.at_most, changes.likely);
    EXPECT_NE(changes.reason.find("3.0 GiB"), std::string::npos) << changes.reason;
}

TEST(Forecast, TheLongerAgoTheLastPassTheMoreHasChanged) {
    auto later = well_known();
    later.now += 1h;
    EXPECT_GT(expected_changes(later).likely, expected_changes(well_known()).likely);
    EXPECT_GT(forecast(later).likely, forecast(well_known()).likely);
    later.now += std::chrono::hours{24 * 365};
    EXPECT_EQ(expected_changes(later).likely, later.used);  // no more than there is
}

TEST(Forecast, ClockThatWasTurnedBackDoesNoHarm) {
    auto earlier = well_known();
    earlier.now -= 1h;
    EXPECT_EQ(expected_changes(earlier).likely, 0U);
    EXPECT_GT(forecast(earlier).likely, 0s);
}

TEST(Forecast, WithoutTwoPassesAShareOfTheDataIsAssumedAndSaid) {
    auto once = facts(true);
    once.passes = {pass(5min, false, 100 * GiB, std::chrono::milliseconds{1'024'000})};
    for (const auto& known : {facts(true), once}) {
        const auto expected = expected_changes(known);
        EXPECT_EQ(expected.likely, GiB);
        EXPECT_EQ(expected.at_most, 10 * GiB);
        EXPECT_NE(part(forecast(known), "Send the last changes").reason.find("no two syncs"), std::string::npos);
    }
}

TEST(Forecast, FullCopiesSayNothingOfWhatChanges) {
    auto full = facts(true);
    full.passes = {pass(5min, false, 100 * GiB, 1000s), pass(15min, false, 100 * GiB, 1000s)};
    EXPECT_EQ(expected_changes(full).likely, GiB);
}

TEST(Forecast, SmallPassesSayNothingOfTheRate) {
    auto quiet = facts(true);
    quiet.passes = {pass(5min, true, 4096, 3s), pass(15min, true, 4096, 3s)};
    const auto changes = part(forecast(quiet), "Send the last changes");
    EXPECT_LE(changes.likely, 15s);  // not 2 KiB at a kilobyte per second
    EXPECT_NE(changes.reason.find("usual"), std::string::npos) << changes.reason;
}

TEST(Forecast, EarlierFailoversOfTheSameMachineComeBeforeThoseOfOthers) {
    auto known = facts(false);
    known.steps["virtio-injection"] = {.own = {40s, 60s, 50s}, .others = {500s}};
    known.steps["volume-attachment"] = {.own = {}, .others = {7s, 9s, 8s}};
    const auto told = forecast(known);
    const auto drivers = part(told, "Add VirtIO drivers");
    EXPECT_EQ(drivers.likely, 50s);
    EXPECT_EQ(drivers.at_most, 75s);
    EXPECT_NE(drivers.reason.find("3 earlier failovers of this machine"), std::string::npos) << drivers.reason;
    const auto attachment = part(told, "Attach the volumes");
    EXPECT_EQ(attachment.likely, 8s);
    EXPECT_NE(attachment.reason.find("other machines"), std::string::npos) << attachment.reason;
    EXPECT_NE(part(told, "Create the machine").reason.find("usual value"), std::string::npos);
}

TEST(Forecast, ShutdownAndBootNeverTakeLongerThanTheirLimits) {
    auto known = facts(true);
    known.steps["source-shutdown"] = {.own = {900s}, .others = {}};
    known.steps["vm-startup-and-validation"] = {.own = {20s}, .others = {}};
    auto told = forecast(known);
    EXPECT_EQ(part(told, "Shut the source down").likely, 600s);
    EXPECT_EQ(part(told, "Start the machine").likely, 20s);
    EXPECT_EQ(part(told, "Start the machine").at_most, 600s);
    known.force_power_off = true;
    EXPECT_EQ(part(forecast(known), "Shut the source down").at_most, 720s);
}

TEST(Forecast, TotalsAreTheSumsOfTheParts) {
    for (const bool live : {false, true}) {
        const auto told = forecast(facts(live));
        std::chrono::seconds likely{};
        std::chrono::seconds at_most{};
        for (const auto& one : told.parts) {
            likely += one.likely;
            at_most += one.at_most;
            EXPECT_LE(one.likely, one.at_most) << one.title;
            EXPECT_FALSE(one.reason.empty()) << one.title;
        }
        EXPECT_EQ(told.likely, likely);
        EXPECT_EQ(told.at_most, at_most);
        EXPECT_EQ(told.live, live);
    }
}

TEST(Forecast, OnlyALiveOneShutsDownAndOnlyOneOnClonesMakesThem) {
    const auto has = [](const Forecast& told, const std::string& title) {
        return std::any_of(told.parts.begin(), told.parts.end(), [&](const auto& one) { return one.title == title; });
    };
    EXPECT_FALSE(has(forecast(facts(false)), "Shut the source down"));
    EXPECT_FALSE(has(forecast(facts(false)), "Make volumes from the snapshots"));
    auto clones = facts(false);
    clones.on_clones = true;
    EXPECT_TRUE(has(forecast(clones), "Make volumes from the snapshots"));
}

class ForecastFactsTest : public test::ControlPlane {
  protected:
    void record(const VmContextId& vm, const std::string& step, std::chrono::seconds took) {
        const auto job = job_log.start({.type = JobType::test_failover,
                                        .operation = "test-failover",
                                        .owner = "test",
                                        .vm_context_id = vm,
                                        .metadata = "{}",
                                        .steps = {{step, "Step", 1}, {"broken", "Broken", 1}}});
        job_log.run_step(job, step, [&](joblog::StepContext&) { clock.advance(took); });
        EXPECT_THROW(job_log.run_step(job, "broken",
                                      [&](joblog::StepContext&) -> void {
                                          clock.advance(1h);
                                          throw Error(ErrorCode::external, "it broke");
                                      }),
                     Error);
        job_log.end(job);
    }
};

TEST_F(ForecastFactsTest, AreReadFromPointsAndJobs) {
    const auto vm = add_replicated_machine();
    ASSERT_EQ(sync(vm), JobStatus::completed);
    const auto other = add_machine(test::a_machine("other", "uuid-2"));
    record(vm, "volume-attachment", 12s);
    record(other, "volume-attachment", 30s);

    const auto known = forecast_facts(failover_use, *machines.find(vm), {});

    ASSERT_EQ(known.passes.size(), 2U);
    EXPECT_TRUE(known.passes[0].incremental);
    EXPECT_FALSE(known.passes[1].incremental);
    EXPECT_GT(known.passes[0].snapshot, known.passes[1].snapshot);
    EXPECT_EQ(known.used, 3 * GiB);  // nothing is told of what is used: the size of the disks
    EXPECT_EQ(known.steps.at("volume-attachment").own, std::vector<std::chrono::milliseconds>{12s});
    EXPECT_EQ(known.steps.at("volume-attachment").others, std::vector<std::chrono::milliseconds>{30s});
    EXPECT_FALSE(known.steps.contains("broken"));  // how long a failure took says nothing
}

}  // namespace
}  // namespace mk::failover

// Which machines in CloudStack are ours: what is not is neither adopted nor stopped nor destroyed.

#include "oma-api/cloud_adapters.hpp"

#include <gtest/gtest.h>

#include "control/credentials/credential_repository.hpp"
#include "control/machines/machine_repository.hpp"
#include "support/cloud_server.hpp"
#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::oma {
namespace {

using test::code_of;

const CloudMachineId vm{"vm-1"};

class CloudMachinesTest : public testing::Test {
  protected:
    CloudMachinesTest() {
        db::migrate(*database_, MK_SOURCE_DIR "/migrations");
        settings::CloudStackSettings settings;
        settings.api_url = cloud_.url();
        settings.api_key = Secret("key");
        settings.secret_key = Secret("secret");
        settings.zone_id = "zone";
        settings.service_offering_id = "small";
        settings.template_id = "template";
        settings_.save(settings);
        credentials::Credential entry;
        entry.name = "vc";
        entry.vcenter = "https://vc/sdk";
        entry.username = "u";
        SourceMachine source;
        source.instance_uuid = "uuid";
        source.name = "web";
        source.disks.emplace_back();
        source.disks.back().id = DiskId{"disk-2000"};
        context_ = managed_.add(credentials_.add(entry, Secret("secret"), "test"), source);
        cloud_.script.on("listServiceOfferings", Json::object());
    }

    /// What a failover records before it asks for the machine.
    std::string begin_failover(const std::string& name = "web") {
        failover::FailoverJob job;
        job.job_id = JobId{"job-1"};
        job.vm_context_id = context_;
        job.status = "running";
        job.source_vm_name = "web";
        database_->transact([&](db::Session& session) { failovers_.add(session, job); });
        return ledger_.intend(ledger::Site::target, "machine", name, context_, job.job_id);
    }
    static Json machine(const char* display_name, const char* created, const char* state = "Running") {
        return {{"count", 1},
                {"virtualmachine",
                 {{{"id", vm.value},
                   {"name", "web"},
                   {"displayname", display_name},
                   {"state", state},
                   {"created", created}}}}};
    }
    /// The fake clock stands at 2026-01-01T00:00:00Z.
    static Json somebody_elses() { return machine("mail", "2025-12-01T00:00:00+0000"); }
    static Json tag_of(const std::string& value) {
        return {{"count", 1}, {"tag", {{{"key", "migratekit.context"}, {"value", value}, {"resourceid", vm.value}}}}};
    }
    void nothing_is_tagged() { cloud_.script.on("listTags", Json::object()); }
    static failover::MachineOrder order() {
        failover::MachineOrder order;
        order.name = "web";
        order.display_name = "web (test)";
        order.nics = {{.network_id = "net", .mac = {}, .address = {}}};
        return order;
    }

    test::TemporaryFolder folder_;
    test::FakeClock clock_;
    test::CloudServer cloud_;
    SecretBox box_{std::string(32, 'k')};
    std::shared_ptr<db::Database> database_ = db::Database::open("sqlite:" + (folder_ / "oma.db"));
    settings::CloudStackSettingsRepository settings_{database_, box_, clock_};
    ledger::Ledger ledger_{database_, clock_};
    ledger::Effects effects_{database_, clock_, "oma-api"};
    failover::FailoverRepository failovers_{database_, clock_};
    joblog::JobLog job_log_{database_, clock_};
    machines::MachineRepository managed_{database_, job_log_, clock_};
    credentials::CredentialRepository credentials_{database_, box_, clock_};
    CloudMachinesAdapter machines_{{settings_, ledger_, effects_, failovers_, job_log_},
                                   {.jobs = std::chrono::milliseconds{50},
                                    .commands = std::chrono::milliseconds{5},
                                    .poll = std::chrono::milliseconds{1}}};
    VmContextId context_;
};

TEST_F(CloudMachinesTest, TagsWhatItDeploysWithTheContext) {
    begin_failover();
    nothing_is_tagged();
    cloud_.script.job("deployVirtualMachine").job("createTags");
    cloud_.script.on("listVirtualMachines", Json::object())
        .on("listVirtualMachines", Json::object())
        .on("listVirtualMachines", machine("web (test)", "2026-01-01T00:00:01+0000", "Stopped"));

    EXPECT_EQ(machines_.create(order(), {}).id, vm);

    const auto& sent = cloud_.script.last("createTags").parameters;
    EXPECT_EQ(sent.at("resourcetype"), "UserVm");
    EXPECT_EQ(sent.at("resourceids"), vm.value);
    EXPECT_EQ(sent.at("tags[0].key"), "migratekit.context");
    EXPECT_EQ(sent.at("tags[0].value"), context_.value);
}

TEST_F(CloudMachinesTest, AMachineThatCannotBeTaggedIsUsedNevertheless) {
    begin_failover();
    nothing_is_tagged();
    cloud_.script.job("deployVirtualMachine").fail("createTags", 432, "not available to this role");
    cloud_.script.on("listVirtualMachines", Json::object())
        .on("listVirtualMachines", Json::object())
        .on("listVirtualMachines", machine("web (test)", "2026-01-01T00:00:01+0000", "Stopped"));

    EXPECT_EQ(machines_.create(order(), {}).id, vm);
}

TEST_F(CloudMachinesTest, DoesNotAdoptSomebodyElsesMachineOfTheSameName) {
    begin_failover();
    cloud_.script.on("listVirtualMachines", somebody_elses());

    EXPECT_EQ(code_of([&] { machines_.create(order(), {}); }), ErrorCode::conflict);
    EXPECT_EQ(cloud_.script.count("deployVirtualMachine"), 0u);
}

TEST_F(CloudMachinesTest, DoesNotAdoptTheMachineOfAnEarlierFailover) {
    ledger_.confirm(begin_failover(), vm.value);
    cloud_.script.on("listVirtualMachines", machine("web", "2026-01-01T00:00:01+0000"));

    EXPECT_EQ(code_of([&] { machines_.create(order(), {}); }), ErrorCode::conflict);
}

TEST_F(CloudMachinesTest, BeforeAFailoverEveryMachineOfTheNameIsSeen) {
    cloud_.script.on("listVirtualMachines", somebody_elses());

    EXPECT_EQ(machines_.find_by_name("web", {})->id, vm);
}

TEST_F(CloudMachinesTest, ARollbackFindsByNameOnlyWhatIsOurs) {
    begin_failover();
    nothing_is_tagged();
    cloud_.script.on("listVirtualMachines", somebody_elses());
    cloud_.script.on("listVirtualMachines", machine("mail", "2026-01-01T00:00:01+0000"));

    EXPECT_FALSE(machines_.find_by_name("web", {}));  // created before the failover, another display name
    EXPECT_FALSE(machines_.find_by_name("web", {}));  // another display name
}

TEST_F(CloudMachinesTest, AMachineOfTheRightNamesThatIsOlderThanTheFailoverIsNotOurs) {
    begin_failover();
    cloud_.script.on("listVirtualMachines", machine("web (test)", "2025-12-31T23:50:00+0000"));

    EXPECT_FALSE(machines_.find_by_name("web", {}));
}

TEST_F(CloudMachinesTest, ARollbackFindsTheMachineWhoseDeploymentWasNotAnswered) {
    begin_failover();
    nothing_is_tagged();
    cloud_.script.on("listVirtualMachines", machine("web (test)", "2026-01-01T02:00:01+0200"));

    EXPECT_EQ(machines_.find_by_name("web", {})->id, vm);
}

TEST_F(CloudMachinesTest, WithoutTheRightToReadTagsTheNamesDecide) {
    begin_failover();
    cloud_.script.fail("listTags", 401, "unable to verify user credentials");
    cloud_.script.on("listVirtualMachines", machine("web (test)", "2026-01-01T00:00:01+0000"))
        .on("listVirtualMachines", machine("mail", "2026-01-01T00:00:01+0000"));

    EXPECT_TRUE(machines_.find_by_name("web", {}));
    EXPECT_FALSE(machines_.find_by_name("web", {}));
}

TEST_F(CloudMachinesTest, OurTagIsEnoughAndAnotherContextsIsNot) {
    begin_failover();
    cloud_.script.on("listVirtualMachines", machine("renamed", "2026-01-01T00:00:01+0000"));
    cloud_.script.on("listTags", Json::object())
        .on("listTags", tag_of("ctx-other"))
        .on("listTags", tag_of(context_.value));

    EXPECT_FALSE(machines_.find_by_name("web", {}));  // no tag
    EXPECT_FALSE(machines_.find_by_name("web", {}));  // the tag of another machine
    EXPECT_TRUE(machines_.find_by_name("web", {}));
}

TEST_F(CloudMachinesTest, TheTagOfAnEarlierFailoverIsNotEnough) {
    begin_failover();
    cloud_.script.on("listVirtualMachines", machine("web", "2025-12-31T00:00:00+0000"));
    cloud_.script.on("listTags", tag_of(context_.value));

    EXPECT_FALSE(machines_.find_by_name("web", {}));
    EXPECT_EQ(code_of([&] { machines_.create(order(), {}); }), ErrorCode::conflict);
}

TEST_F(CloudMachinesTest, SomebodyElsesMachineIsNeitherStoppedNorDestroyed) {
    begin_failover();
    cloud_.script.on("listVirtualMachines", somebody_elses());

    EXPECT_EQ(code_of([&] { machines_.stop(vm, {}); }), ErrorCode::conflict);
    EXPECT_EQ(code_of([&] { machines_.destroy(vm, {}); }), ErrorCode::conflict);
    EXPECT_EQ(cloud_.script.count("stopVirtualMachine") + cloud_.script.count("destroyVirtualMachine"), 0u);
}

TEST_F(CloudMachinesTest, WhatTheLedgerKnowsIsDestroyedAlsoWithoutTag) {
    ledger_.confirm(begin_failover(), vm.value);
    cloud_.script.job("destroyVirtualMachine");
    cloud_.script.on("listVirtualMachines", somebody_elses())
        .on("listVirtualMachines", somebody_elses())
        .on("listVirtualMachines", somebody_elses())
        .on("listVirtualMachines", Json::object());

    EXPECT_TRUE(machines_.destroy(vm, {}));
    EXPECT_EQ(cloud_.script.count("destroyVirtualMachine"), 1u);
}

TEST_F(CloudMachinesTest, WhatIsGoneIsDestroyed) {
    cloud_.script.on("listVirtualMachines", Json::object());

    EXPECT_TRUE(machines_.destroy(vm, {}));
    EXPECT_NO_THROW(machines_.stop(vm, {}));
}

TEST_F(CloudMachinesTest, CardsAreOrderedAsWished) {
    begin_failover();
    nothing_is_tagged();
    cloud_.script.job("deployVirtualMachine").job("createTags");
    cloud_.script.on("listVirtualMachines", Json::object())
        .on("listVirtualMachines", Json::object())
        .on("listVirtualMachines", machine("web (test)", "2026-01-01T00:00:01+0000", "Stopped"));
    auto wished = order();
    wished.nics = {{.network_id = "front", .mac = "02:00:00:00:00:01", .address = {}},
                   {.network_id = "back", .mac = {}, .address = "10.1.1.7"}};

    machines_.create(wished, {});

    const auto& sent = cloud_.script.last("deployVirtualMachine").parameters;
    EXPECT_EQ(sent.at("iptonetworklist[0].networkid"), "front");
    EXPECT_EQ(sent.at("iptonetworklist[0].mac"), "02:00:00:00:00:01");
    EXPECT_FALSE(sent.contains("iptonetworklist[0].ip"));
    EXPECT_EQ(sent.at("iptonetworklist[1].networkid"), "back");
    EXPECT_EQ(sent.at("iptonetworklist[1].ip"), "10.1.1.7");
}

TEST_F(CloudMachinesTest, EveryCommandIsNoted) {
    ledger_.confirm(begin_failover(), vm.value);
    cloud_.script.job("destroyVirtualMachine");
    cloud_.script.on("listVirtualMachines", somebody_elses())
        .on("listVirtualMachines", somebody_elses())
        .on("listVirtualMachines", somebody_elses())
        .on("listVirtualMachines", Json::object());

    machines_.destroy(vm, {});

    const auto notes = effects_.of({vm.value}, {});
    ASSERT_EQ(notes.size(), 1U);
    EXPECT_EQ(notes[0].command, "destroyVirtualMachine");
    EXPECT_EQ(notes[0].async_job_id, "job-1");
    EXPECT_EQ(notes[0].state, "done");
}

/// What an earlier process left.
class SettleTest : public CloudMachinesTest {
  protected:
    SettleTest() {
        job_ = job_log_.start({.type = JobType::cleanup,
                               .operation = "cleanup",
                               .owner = "test",
                               .vm_context_id = context_,
                               .metadata = "{}",
                               .steps = {{"one", "One", 1}}});
        ledger_.confirm(begin_failover(), vm.value);
        ledger_.confirm(ledger_.intend(ledger::Site::target, "volume", "mk-web", context_, job_), "volume-1");
    }
    std::string submit(ledger::Effects& process, const std::string& command, const std::string& object) {
        auto note = process.begin(command, object);
        process.submitted(note, "cs-" + command, "");
        return note;
    }
    std::string state_of(const std::string& object) {
        const auto notes = effects_.of({object}, {});
        return notes.size() == 1 ? notes[0].state : std::to_string(notes.size()) + " notes";
    }

    JobId job_;
    ledger::Effects daemon_{database_, clock_, "volume-daemon"};
};

TEST_F(SettleTest, WithoutOpenNotesNobodyIsAsked) {
    machines_.settle(job_, {});
    machines_.settle(JobId{"unknown"}, {});
    EXPECT_TRUE(cloud_.script.requests.empty());
}

TEST_F(SettleTest, JobsOfTheMachineAndItsVolumesAreWaitedFor) {
    submit(effects_, "stopVirtualMachine", vm.value);
    submit(daemon_, "detachVolume", "volume-1");
    cloud_.script.on("queryAsyncJobResult", {{"jobstatus", 0}})
        .on("queryAsyncJobResult", {{"jobstatus", 1}, {"jobresult", Json::object()}})
        .on("queryAsyncJobResult",
            {{"jobstatus", 2}, {"jobresultcode", 530}, {"jobresult", {{"errorcode", 530}, {"errortext", "no"}}}});

    CloudMachinesAdapter({settings_, ledger_, effects_, failovers_, job_log_}).settle(job_, {});

    EXPECT_EQ(state_of(vm.value), "done");
    EXPECT_EQ(state_of("volume-1"), "failed");
}

TEST_F(SettleTest, NotesOfOtherMachinesStayAsTheyAre) {
    submit(effects_, "stopVirtualMachine", "somebody-elses");
    machines_.settle(job_, {});
    EXPECT_EQ(state_of("somebody-elses"), "submitted");
    EXPECT_TRUE(cloud_.script.requests.empty());
}

TEST_F(SettleTest, ACommandWhoseAnswerNobodySawIsUnknown) {
    effects_.begin("deployVirtualMachine", "web");
    machines_.settle(job_, {});
    EXPECT_EQ(state_of("web"), "unknown");
}

TEST_F(SettleTest, WhatANeighbourIsJustSendingIsItsOwnToSettle) {
    daemon_.begin("attachVolume", "volume-1");
    machines_.settle(job_, {});
    EXPECT_EQ(state_of("volume-1"), "intended");
}

TEST_F(SettleTest, AJobThatOutlivesOurPatienceStaysOpen) {
    submit(daemon_, "createSnapshot", "volume-1");
    cloud_.script.on("queryAsyncJobResult", {{"jobstatus", 0}});
    EXPECT_NO_THROW(machines_.settle(job_, {}));
    EXPECT_EQ(state_of("volume-1"), "submitted");
}

TEST_F(SettleTest, AJobThatCloudStackForgotIsUnknown) {
    submit(daemon_, "createSnapshot", "volume-1");
    cloud_.script.fail("queryAsyncJobResult", 431, "entity does not exist");
    machines_.settle(job_, {});
    EXPECT_EQ(state_of("volume-1"), "unknown");
}

TEST_F(SettleTest, EndsWhenItIsStopped) {
    submit(daemon_, "createSnapshot", "volume-1");
    daemon_.begin("attachVolume", "volume-1");
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(code_of([&] { machines_.settle(job_, stop.get_token()); }), ErrorCode::cancelled);
}

}  // namespace
}  // namespace mk::oma

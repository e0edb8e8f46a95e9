// The small repositories: ledger, recovery points, credentials, networks, tokens.

#include <algorithm>

#include "control/access/token_service.hpp"
#include "unit/control/control_plane.hpp"

namespace mk {
namespace {

using test::code_of;
using test::error_of;

class NounsTest : public test::ControlPlane {
  protected:
    static credentials::Credential a_credential(const std::string& name) {
        credentials::Credential entry;
        entry.name = name;
        entry.vcenter = "https://" + name + "/sdk";
        entry.username = "admin";
        entry.certificate_sha256 = "aa";
        return entry;
    }
    RecoveryPointId commit(const VmContextId& managed, const JobId& by) {
        RecoveryPoint point;
        point.vm_context_id = managed;
        point.job_id = by;
        point.snapshot_time = clock.now();
        point.consistency = "crash";
        RecoveryPointDisk first;
        first.disk_id = DiskId{"disk-2000"};
        first.volume_id = VolumeId{"vol"};
        first.change_id = by.value + "/1";
        first.bytes_sent = 4096;
        auto second = first;
        second.disk_id = DiskId{"disk-2001"};
        second.change_id = by.value + "/2";
        point.disks = {first, second};
        RecoveryPointId id;
        database->transact([&](db::Session& session) { id = recovery_points.commit(session, point); });
        return id;
    }

    const VmContextId vm{"ctx-a"};
    const JobId job{"job-a"};
};

TEST_F(NounsTest, LedgerEntryGoesFromIntendedOverPresentToGone) {
    const auto id = ledger.intend(ledger::Site::target, "machine", "web-test", vm, job);
    EXPECT_EQ(ledger.intend(ledger::Site::target, "machine", "web-test", vm, job), id);
    EXPECT_EQ(ledger.open_entries().front().state, ledger::State::intended);
    ledger.confirm(id, "uuid");
    EXPECT_EQ(ledger.open_entries(vm).front().state, ledger::State::present);
    EXPECT_EQ(ledger.open_entries(vm).front().object_id, "uuid");
    EXPECT_TRUE(ledger.open_entries(VmContextId{"ctx-b"}).empty());
    ledger.gone(id);
    EXPECT_TRUE(ledger.open_entries().empty());
    EXPECT_NE(ledger.intend(ledger::Site::target, "machine", "web-test", vm, job), id);
}

TEST_F(NounsTest, LedgerClosesByObjectOrNameOfTheSameKindOnly) {
    const auto id = ledger.intend(ledger::Site::source, "vsphere_snapshot", "name", vm, job);
    ledger.confirm(id, "object");
    ledger.object_gone("volume", "object");
    ledger.name_gone("machine", "name");
    EXPECT_EQ(ledger.open_entries().size(), 1U);
    ledger.object_gone("vsphere_snapshot", "object");
    EXPECT_TRUE(ledger.open_entries().empty());
    EXPECT_EQ(code_of([&] { ledger.confirm("none", "object"); }), ErrorCode::internal);
}

TEST_F(NounsTest, LedgerKeepsWhatWasHandedOverAsTheOperators) {
    const auto theirs = ledger.intend(ledger::Site::target, "machine", "web", vm, job);
    const auto ours = ledger.intend(ledger::Site::target, "machine", "web-test", vm, job);
    ledger.hand_over(theirs);
    ledger.hand_over(theirs);
    ASSERT_EQ(ledger.open_entries().size(), 1U);
    EXPECT_EQ(ledger.open_entries().front().id, ours);
    ASSERT_EQ(ledger.handed_over_entries().size(), 1U);
    EXPECT_EQ(ledger.handed_over_entries().front().id, theirs);
    EXPECT_NE(ledger.intend(ledger::Site::target, "machine", "web", vm, job), theirs);
}

TEST_F(NounsTest, ForgottenRecoveryPointsAreGoneForThatMachineOnly) {
    const auto managed = add_machine();
    const auto other = add_machine(test::a_machine("web-02", "uuid-2"));
    commit(managed, job);
    commit(other, JobId{"job-b"});
    recovery_points.forget_all(managed);
    EXPECT_FALSE(recovery_points.latest(managed));
    EXPECT_EQ(recovery_points.latest(other)->disks.size(), 2U);
}

TEST_F(NounsTest, RecoveryPointIsCommittedWholeAndThenApplied) {
    const auto managed = add_machine();
    const auto id = commit(managed, job);
    auto point = *recovery_points.latest(managed);
    EXPECT_EQ(point.id, id);
    EXPECT_FALSE(point.applied);
    ASSERT_EQ(point.disks.size(), 2U);
    EXPECT_EQ(point.disks[1].change_id, "job-a/2");
    EXPECT_EQ(point.disks[1].digest, "");
    recovery_points.mark_applied(id, {{DiskId{"disk-2000"}, "d0"}, {DiskId{"disk-2001"}, "d1"}});
    point = *recovery_points.of_job(job);
    EXPECT_TRUE(point.applied);
    EXPECT_EQ(point.disks[0].digest, "d0");
    recovery_points.forget_digest(managed, DiskId{"disk-2001"});
    EXPECT_EQ(recovery_points.latest(managed)->disks[1].digest, "");
    recovery_points.set_digest(id, DiskId{"disk-2001"}, "d2");
    EXPECT_EQ(recovery_points.latest(managed)->disks[1].digest, "d2");
}

TEST_F(NounsTest, OneRecoveryPointPerJobNewestFirst) {
    const auto managed = add_machine();
    commit(managed, job);
    EXPECT_EQ(code_of([&] { commit(managed, job); }), ErrorCode::conflict);
    const auto second = commit(managed, JobId{"job-b"});
    EXPECT_EQ(recovery_points.latest(managed)->id, second);
    EXPECT_EQ(recovery_points.list(managed, 10).size(), 2U);
    EXPECT_EQ(recovery_points.list(managed, 1).size(), 1U);
    EXPECT_FALSE(recovery_points.latest(vm));
    recovery_points.forget_digest(vm, DiskId{"disk-2000"});  // nothing to forget is no error
}

TEST_F(NounsTest, PasswordIsSealedAndOpensWithTheKeyOnly) {
    const auto id = credentials.add(a_credential("vc-a"), Secret("pa55word"), "test");
    EXPECT_EQ(credentials.access(id).password.reveal(), "pa55word");
    EXPECT_EQ(credentials.access(id).url, "https://vc-a/sdk");
    const auto row = stored->query_one("SELECT password_sealed FROM vmware_credentials");
    EXPECT_EQ(row->text("password_sealed").find("pa55word"), std::string::npos);
    const SecretBox other(std::string(32, 'x'));
    EXPECT_EQ(code_of([&] { credentials::CredentialRepository(database, other, clock).access(id); }),
              ErrorCode::corrupt);
}

TEST_F(NounsTest, PasswordOfOneVcenterCannotBeMovedToAnother) {
    credentials.add(a_credential("vc-a"), Secret("one"), "test");
    const auto second = credentials.add(a_credential("vc-b"), Secret("two"), "test");
    const auto sealed = stored->query_one("SELECT password_sealed FROM vmware_credentials WHERE name = 'vc-a'")
                            ->text("password_sealed");
    stored->execute("UPDATE vmware_credentials SET password_sealed = :sealed WHERE name = 'vc-b'",
                    {{"sealed", sealed}});
    EXPECT_EQ(code_of([&] { credentials.access(second); }), ErrorCode::corrupt);
}

TEST_F(NounsTest, CredentialsAreFoundByNameAndIdAndKeptWhileUsed) {
    const auto id = credentials.add(a_credential("vc-b"), Secret("p"), "test");
    EXPECT_EQ(code_of([&] { credentials.add(a_credential("vc-b"), Secret("p"), "test"); }), ErrorCode::conflict);
    EXPECT_EQ(credentials.require("vc-b").id, id);
    EXPECT_EQ(credentials.require(id.value).name, "vc-b");
    EXPECT_EQ(code_of([&] { credentials.require("vc-c"); }), ErrorCode::not_found);
    add_machine();
    EXPECT_EQ(credentials.list().size(), 2U);
    EXPECT_EQ(code_of([&] { credentials.remove(credential); }), ErrorCode::conflict);
    credentials.remove(id);
    EXPECT_EQ(code_of([&] { credentials.access(id); }), ErrorCode::not_found);
}

TEST_F(NounsTest, NetworkMappingIsReplacedByName) {
    networks.save({"VM Network", "live-1", "Live", "", ""});
    networks.save({"VM Network", "live-2", "Live", "test-2", "Test"});
    ASSERT_EQ(networks.list().size(), 1U);
    EXPECT_EQ(networks.find("VM Network")->live_network_id, "live-2");
    EXPECT_EQ(networks.find("VM Network")->test_network_id, "test-2");
    EXPECT_FALSE(networks.find("Other"));
    networks.remove("VM Network");
    EXPECT_EQ(code_of([&] { networks.remove("VM Network"); }), ErrorCode::not_found);
}

TEST_F(NounsTest, TokenIsKnownByItsHashAlone) {
    access::TokenService tokens(database, clock);
    const auto token = tokens.create("ops", "operator");
    EXPECT_EQ(tokens.authenticate(token.reveal()).name, "ops");
    EXPECT_EQ(tokens.authenticate(token.reveal()).role, "operator");
    EXPECT_NE(stored->query_one("SELECT token_hash FROM access_tokens")->text("token_hash"), token.reveal());
    EXPECT_EQ(error_of([&] { tokens.authenticate("wrong"); }).full_text(),
              error_of([&] { tokens.authenticate(""); }).full_text());
    EXPECT_EQ(code_of([&] { tokens.authenticate("wrong"); }), ErrorCode::unauthenticated);
    EXPECT_EQ(code_of([&] { tokens.create("ops", "viewer"); }), ErrorCode::conflict);
    EXPECT_EQ(code_of([&] { tokens.create("other", "root"); }), ErrorCode::invalid);
}

TEST_F(NounsTest, RegisteredTokenReplacesTheFormerOneOfItsName) {
    access::TokenService tokens(database, clock);
    tokens.register_token("bootstrap", "administrator", Secret("first"));
    tokens.register_token("bootstrap", "administrator", Secret("second"));
    EXPECT_EQ(tokens.authenticate("second").role, "administrator");
    EXPECT_EQ(code_of([&] { tokens.authenticate("first"); }), ErrorCode::unauthenticated);
}

}  // namespace
}  // namespace mk

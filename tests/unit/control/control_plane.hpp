#pragma once
// The control side as apps/oma-api wires it, on a real SQLite database and on fakes of everything outside.

#include <atomic>
#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/log.hpp"
#include "base/retry.hpp"
#include "control/failover/failover_service.hpp"
#include "control/replication/final_pass.hpp"
#include "control/replication/kept_sessions.hpp"
#include "control/replication/pass_cleanup.hpp"
#include "control/replication/replication_service.hpp"
#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"
#include "unit/control/fake_cloud.hpp"
#include "unit/control/fake_source.hpp"

namespace mk::test {

/// The final sync of a live failover, as apps/oma-api has it.
class PassAsFinalSync : public failover::FinalSync {
  public:
    explicit PassAsFinalSync(replication::Collaborators& use) : use_(use) {}
    RecoveryPoint run(const JobId& job, const VmContextId& vm, const std::stop_token& stop) override {
        return replication::run_final_pass(use_, job, vm, stop);
    }
    void clean_up(const JobId& job, const VmContextId& vm) override { replication::abandon_final_pass(use_, job, vm); }
    void drop_resumable(const VmContextId& vm) override { replication::drop_resumable(use_, vm); }

  private:
    replication::Collaborators& use_;
};

/// The operator's settings.
class FakePolicies : public replication::BandwidthPolicy, public replication::SamplingPolicy {
  public:
    std::atomic<Bytes> limit = 0;
    std::atomic<int> percent = 1;
    std::function<void()> on_look;  ///< runs at every look at the progress of a copy, before the VMA is asked
    Bytes limit_now() override {
        if (on_look) {
            on_look();
        }
        return limit;
    }
    int compare_percent(const VmContextId&) override { return percent; }
};

/// Thousands of small transactions: in memory where there is such a folder, because what is tested here is not the
/// disk.
inline const bool folders_are_in_memory = ::access("/dev/shm", W_OK) == 0 && ::setenv("TMPDIR", "/dev/shm", 0) == 0;

/// A database that a process which is dead cannot reach any more.
class MortalDatabase : public db::Database {
  public:
    MortalDatabase(std::shared_ptr<db::Database> inner, Faults& faults) : inner_(std::move(inner)), faults_(faults) {}
    void transact(const std::function<void(db::Session&)>& work) override {
        faults_.write();
        inner_->transact(work);
    }
    std::vector<db::Row> query(const std::string& sql, const db::Parameters& parameters) override {
        faults_.throw_if_dead();
        return inner_->query(sql, parameters);
    }
    std::int64_t execute(const std::string& sql, const db::Parameters& parameters) override {
        faults_.write();
        return inner_->execute(sql, parameters);
    }

  private:
    std::shared_ptr<db::Database> inner_;
    Faults& faults_;
};

class ControlPlane : public testing::Test {
  protected:
    ControlPlane() {
        log::start("test", log::Level::error);
        db::migrate(*database, MK_SOURCE_DIR "/migrations");
    }

    /// The process ends, dead or alive.
    void stop_services() {
        failover->stop();
        replication->stop();
        failover.reset();
        replication.reset();
        faults.revive();
    }
    /// Another one starts, settles, and goes on with what was interrupted, until nothing runs any more.
    void start_services() {
        replication.emplace(pass_use);
        failover.emplace(failover_use);
        replication->settle_interrupted();
        failover->resume_interrupted();
        wait_for_quiet();
    }
    void restart() {
        stop_services();
        start_services();
    }
    /// No job runs, and none is about to start by itself.
    void wait_for_quiet() {
        const auto is_quiet = [&] {
            if (!job_log.list({}, true, 10).empty()) {
                return false;
            }
            if (owes_a_rollback()) {
                failover->roll_back_due();  // as the timer does
                return false;
            }
            return job_log.list({}, true, 10).empty();  // again: the rollback may have begun in between
        };
        wait_until(is_quiet, std::chrono::milliseconds{1}, std::chrono::seconds{60}, {}, "a job did not end");
    }
    bool owes_a_rollback() const {
        for (const auto& machine : machines.list()) {
            const auto latest = failovers.latest(machine.id);
            if (machine.status == MachineStatus::cleanup_required && latest &&
                job_log.recall(latest->job_id, failover::rolls_back_key) == true) {
                return true;
            }
        }
        return false;
    }
    /// Waits for the end of the job or of the process.
    bool survives(const JobId& job) {
        wait_until([&] { return faults.is_dead() || is_over(job); }, std::chrono::milliseconds{1},
                   std::chrono::seconds{60}, {}, "the job did not end");
        return !faults.is_dead();
    }

    /// The same services with other limits of time.
    void set_pacing(const replication::Pacing& pacing) {
        pass_use.pacing = pacing;
        restart();
    }
    bool has_logged(const JobId& job, const std::string& part) const {
        const auto events = job_log.events(job, "", 1000);
        return std::any_of(events.begin(), events.end(),
                           [&](const auto& e) { return e.message.find(part) != std::string::npos; });
    }

    /// A configured site with one managed machine.
    VmContextId add_machine(const SourceMachine& machine = a_machine()) {
        if (credential.empty()) {
            credentials::Credential entry;
            entry.name = "vc";
            entry.vcenter = "https://vc/sdk";
            entry.username = "u";
            credential = credentials.add(entry, Secret("secret"), "test");
            cloudstack.save(settings());
        }
        return machines.add(credential, machine);
    }
    /// The same, with one recovery point.
    VmContextId add_replicated_machine() {
        const auto vm = add_machine();
        EXPECT_EQ(sync(vm), JobStatus::completed);
        return vm;
    }
    static settings::CloudStackSettings settings() {
        settings::CloudStackSettings settings;
        settings.api_url = "http://cloud/client/api";
        settings.api_key = Secret("key");
        settings.secret_key = Secret("secret key");
        settings.network_id = "net-live";
        settings.test_network_id = "net-test";
        return settings;
    }

    /// A sync whose commit broke: of one disk the staged data is lost, and the commit of the other one goes on.
    JobId tear_commit(const VmContextId& vm) {
        source.content = {{disk_id_from_key(2000), "boot v2"}, {disk_id_from_key(2001), "data v2"}};
        faults.break_call("commit");
        const auto job = replication->start(vm, {}, "test");
        EXPECT_EQ(outcome(job), JobStatus::failed);
        faults.mend();
        for (auto& [id, session] : volumes.sessions) {
            if (session.row.job_id == job) {
                session.row.state = session.row.volume_id.value == "vol-disk-2000" ? "aborted" : "committing";
            }
        }
        return job;
    }

    bool is_over(const JobId& job) const {
        const auto row = stored->query_one("SELECT status FROM job_tracking WHERE id = :id", {{"id", job.value}});
        return row && is_final(job_status_from(row->text("status")));
    }
    JobStatus outcome(const JobId& job) {
        wait_until([&] { return is_over(job); }, std::chrono::milliseconds{1}, std::chrono::seconds{60}, {},
                   "the job did not end");
        return job_log.find(job)->status;
    }
    JobStatus sync(const VmContextId& vm, const replication::PassOptions& options = {}) {
        return outcome(replication->start(vm, options, "test"));
    }
    JobStatus clean_up(const VmContextId& vm) { return outcome(failover->clean_up(vm, "test")); }
    MachineStatus status(const VmContextId& vm) { return machines.find(vm)->status; }
    StepStatus step_status(const JobId& job, const std::string& name) {
        const auto found = job_log.find(job);
        for (const auto& step : found->steps) {
            if (step.name == name) {
                return step.status;
            }
        }
        ADD_FAILURE() << "the job has no step " << name;
        return StepStatus::pending;
    }
    std::vector<std::string> ledger_kinds() {
        std::vector<std::string> kinds;
        for (const auto& entry : ledger.open_entries()) {
            kinds.push_back(entry.kind);
        }
        return kinds;
    }
    /// Everything is as the last recovery point says, and nothing else is left anywhere.
    void expect_at_rest(const VmContextId& vm) {
        expect_unharmed(vm);
        EXPECT_EQ(volumes.open_sessions(), 0);
        EXPECT_FALSE(replication::has_kept_sessions(pass_use, vm));
    }
    /// A session is open only when its job is over and says that the next one may go on with it, or holds the rest of a
    /// recovery point.
    void expect_no_stray_session() {
        for (const auto& [id, session] : volumes.sessions) {
            if (session.row.state == "open" || session.row.state == "committing") {
                const auto point = recovery_points.of_job(session.row.job_id);
                const bool is_to_apply = point && !point->applied;
                EXPECT_TRUE(is_to_apply || replication::keeps_sessions(pass_use, session.row.job_id)) << id;
                EXPECT_TRUE(is_over(session.row.job_id)) << id;
            }
        }
    }
    /// The same as expect_at_rest(), except for what the next pass may go on with.
    void expect_unharmed(const VmContextId& vm) {
        expect_no_stray_session();
        const auto point = recovery_points.latest(vm);
        ASSERT_TRUE(point && point->applied);
        ASSERT_EQ(volumes.volumes.size(), point->disks.size());
        EXPECT_TRUE(volumes.clones.empty());
        for (const auto& disk : point->disks) {
            const auto& volume = volumes.of_disk(disk.disk_id.value);
            EXPECT_EQ(volume.row.vm_id, appliance) << disk.disk_id.value;
            EXPECT_EQ(FakeVolumes::digest_of(volume.content), disk.digest) << disk.disk_id.value;
            EXPECT_EQ(volume.row.snapshot_status, "none") << disk.disk_id.value;
        }
        EXPECT_TRUE(cloud.machines.empty());
        EXPECT_TRUE(volumes.default_roots.empty());
        EXPECT_TRUE(source.snapshots.empty());
        EXPECT_EQ(ledger_kinds(), std::vector<std::string>{});  // volumes are the Volume Daemon's entries
        EXPECT_TRUE(job_log.list({}, true, 10).empty());
        EXPECT_TRUE(machines.find(vm)->current_job.empty());
    }

    static constexpr replication::Pacing pass_pacing{.poll = std::chrono::milliseconds{1},
                                                     .heartbeat_limit = std::chrono::milliseconds{20},
                                                     .patience = std::chrono::milliseconds{40},
                                                     .attempts = 20,
                                                     .idle_attempts = 3,
                                                     .attempt_pause = std::chrono::milliseconds{1},
                                                     .longest_attempt_pause = std::chrono::milliseconds{2},
                                                     .stop_limit = std::chrono::milliseconds{50},
                                                     .clean_up_limit = std::chrono::milliseconds{5},
                                                     .record_pause = std::chrono::milliseconds{1}};
    static constexpr failover::Pacing failover_pacing{.power_poll = std::chrono::milliseconds{1},
                                                      .power_off_limit = std::chrono::milliseconds{10},
                                                      .timer_interval = std::chrono::milliseconds{1},
                                                      .record_pause = std::chrono::milliseconds{1}};

    TemporaryFolder folder;
    FakeClock clock;
    Faults faults;
    std::shared_ptr<db::Database> stored = db::Database::open("sqlite:" + (folder / "oma.db"));
    std::shared_ptr<db::Database> database = std::make_shared<MortalDatabase>(stored, faults);
    SecretBox box{std::string(32, 'k')};
    ledger::Ledger ledger{database, clock};
    joblog::JobLog job_log{database, clock};
    machines::MachineRepository machines{database, job_log, clock};
    credentials::CredentialRepository credentials{database, box, clock};
    networks::NetworkMappingRepository networks{database, clock};
    recovery::RecoveryPointRepository recovery_points{database, clock};
    settings::CloudStackSettingsRepository cloudstack{database, box, clock};
    replication::ReplicationRepository replications{database, clock};
    failover::FailoverRepository failovers{database, clock};

    FakeVolumes volumes{faults};
    FakeSource source{faults, volumes};
    FakeCloud cloud{faults, volumes};

    FakePolicies policies;
    replication::Collaborators pass_use{database,    job_log,      ledger,     machines, recovery_points,
                                        credentials, replications, source,     volumes,  policies,
                                        policies,    clock,        pass_pacing};
    PassAsFinalSync final_sync{pass_use};
    failover::Collaborators failover_use{job_log,    ledger,     machines, recovery_points, credentials, networks,
                                         cloudstack, failovers,  volumes,  cloud,           cloud,       cloud,
                                         source,     final_sync, clock,    failover_pacing};
    std::optional<replication::ReplicationService> replication{pass_use};
    std::optional<failover::FailoverService> failover{failover_use};
    CredentialId credential;
};

}  // namespace mk::test

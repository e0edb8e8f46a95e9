#pragma once
// The reconciler on a real SQLite database, with a cloud and a vCenter in memory. Removing in the cloud also removes
// the rows, as the Volume Daemon does.

#include <algorithm>
#include <cstdlib>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/log.hpp"
#include "base/retry.hpp"
#include "control/reconcile/reconcile_service.hpp"
#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"
#include "unit/control/faults.hpp"

namespace mk::reconcile {

/// Thousands of small transactions: in memory where there is such a folder, because what is tested here is not the
/// disk.
inline const bool folders_are_in_memory = ::access("/dev/shm", W_OK) == 0 && ::setenv("TMPDIR", "/dev/shm", 0) == 0;

/// A database that a process which is dead cannot reach any more.
class MortalDatabase : public db::Database {
  public:
    MortalDatabase(std::shared_ptr<db::Database> inner, test::Faults& faults)
        : inner_(std::move(inner)), faults_(faults) {}
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
    test::Faults& faults_;
};

class FakeCloud : public TargetInventory, public TargetRemoval {
  public:
    FakeCloud(std::shared_ptr<db::Database> stored, test::Faults& faults)
        : stored_(std::move(stored)), faults_(faults) {
        view.appliance.value = "m-appliance";
        view.machines.push_back({.id = view.appliance, .name = "oma", .state = "Running"});
    }
    TargetView look(const std::stop_token& stop) override {
        return faults_.call("look", [&] {
            if (on_look) {
                on_look();
            }
            if (is_stuck) {
                wait_until([&] { return false; }, std::chrono::milliseconds{1}, std::chrono::seconds{60}, stop,
                           "never");
            }
            return view;
        });
    }
    void remove_volume(const VolumeId& volume, const std::stop_token&) override {
        faults_.call("remove_volume", [&] {
            const auto row = stored_->query_one("SELECT snapshot_status FROM ossea_volumes WHERE volume_id = :id",
                                                {{"id", volume.value}});
            if (row && row->text("snapshot_status") != "none") {
                throw Error(ErrorCode::conflict, "the volume has a snapshot");
            }
            std::erase_if(view.volumes, [&](const auto& one) { return one.id == volume; });
            stored_->execute("DELETE FROM ossea_volumes WHERE volume_id = :id", {{"id", volume.value}});
        });
    }
    void remove_clone(const VolumeId& clone, const std::stop_token&) override {
        faults_.call("remove_clone", [&] {
            std::erase_if(view.volumes, [&](const auto& one) { return one.id == clone; });
            stored_->execute("DELETE FROM volume_clones WHERE volume_id = :id", {{"id", clone.value}});
        });
    }
    void remove_snapshot(const VolumeId& volume, const std::stop_token&) override {
        faults_.call("remove_snapshot", [&] {
            std::erase_if(view.snapshots, [&](const auto& one) { return one.volume_id == volume; });
            stored_->execute(
                "UPDATE ossea_volumes SET snapshot_status = 'none', ossea_snapshot_id = NULL, snapshot_name = NULL"
                " WHERE volume_id = :id",
                {{"id", volume.value}});
        });
    }
    void discard_default_root(const CloudMachineId& machine, const std::stop_token&) override {
        faults_.call("discard_default_root", [&] {
            const auto root = default_roots.find(machine);
            if (root != default_roots.end()) {
                std::erase_if(view.volumes, [&](const auto& one) { return one.id == root->second; });
            }
        });
    }
    bool remove_machine(const CloudMachineId& machine, const std::stop_token&) override {
        return faults_.call("remove_machine", [&] {
            for (auto& one : view.machines) {
                if (one.id == machine && !may_expunge) {
                    one.state = "Destroyed";
                    return false;
                }
            }
            std::erase_if(view.machines, [&](const auto& one) { return one.id == machine; });
            return true;
        });
    }

    TargetView view;
    std::map<CloudMachineId, VolumeId> default_roots;
    bool may_expunge = true;
    bool is_stuck = false;  ///< looking ends only when it is stopped
    std::function<void()> on_look;

  private:
    std::shared_ptr<db::Database> stored_;
    test::Faults& faults_;
};

class FakeVcenters : public SourceSnapshots {
  public:
    explicit FakeVcenters(test::Faults& faults) : faults_(faults) {}
    SourceView find_snapshots(const contracts::VcenterAccess& access, const std::stop_token&) override {
        return faults_.call("find_snapshots", [&] {
            if (silent.contains(access.url)) {
                throw Error(ErrorCode::unavailable, access.url + " does not answer");
            }
            return views.at(access.url);
        });
    }
    void remove_snapshot(const contracts::SnapshotRemoval& removal, const std::stop_token&) override {
        faults_.call("remove_source_snapshot", [&] {
            std::erase_if(views.at(removal.vcenter.url).snapshots, [&](const auto& one) {
                return one.machine_moref == removal.moref && one.moref == removal.snapshot_moref;
            });
        });
    }

    std::map<std::string, SourceView> views;  ///< by URL
    std::set<std::string> silent;

  private:
    test::Faults& faults_;
};

class ReconcileWorld : public testing::Test {
  protected:
    ReconcileWorld() {
        log::start("test", log::Level::error);
        db::migrate(*stored, MK_SOURCE_DIR "/migrations");
        credential = add_vcenter("one");
        web = manage("web");
    }

    CredentialId add_vcenter(const std::string& name) {
        credentials::Credential entry;
        entry.name = name;
        entry.vcenter = "https://" + name + "/sdk";
        entry.username = "u";
        entry.vcenter_uuid = "vc-" + name;
        vcenters.views[entry.vcenter] = {.vcenter_uuid = entry.vcenter_uuid, .snapshots = {}};
        return credentials.add(entry, Secret("secret"), "test");
    }
    VmContextId manage(const std::string& name) {
        SourceMachine machine;
        machine.name = name;
        machine.vcenter_uuid = "vc-one";
        machine.instance_uuid = "uuid-" + name;
        machine.disks.emplace_back().id = disk_id_from_key(2000);
        return machines.add(credential, machine);
    }
    /// A replica of the machine in the cloud and in the tables.
    void add_replica(const std::string& id, const VmContextId& vm, const std::string& disk = "disk-2000") {
        stored->execute(
            "INSERT INTO ossea_volumes (volume_id, vm_context_id, disk_id, volume_name, size_bytes, written,"
            " snapshot_status, created_ms) VALUES (:id, :vm, :disk, :name, 1024, 1, 'none', 0)",
            {{"id", id}, {"vm", vm.value}, {"disk", disk}, {"name", "name-of-" + id}});
        cloud.view.volumes.push_back({.id = VolumeId{id},
                                      .name = "name-of-" + id,
                                      .state = "Ready",
                                      .size = 1024,
                                      .vm_id = cloud.view.appliance,
                                      .context = vm.value});
    }
    void add_machine(const std::string& id, const VmContextId& vm, std::optional<Instant> created = {}) {
        cloud.view.machines.push_back({.id = CloudMachineId{id},
                                       .name = "name-of-" + id,
                                       .state = "Stopped",
                                       .context = vm.value,
                                       .created = created});
    }
    contracts::SourceSnapshot& add_source_snapshot(const std::string& moref, const JobId& job,
                                                   const std::string& vcenter = "one") {
        auto& snapshot = vcenters.views["https://" + vcenter + "/sdk"].snapshots.emplace_back();
        snapshot.machine_moref = "vm-1";
        snapshot.machine_name = "web";
        snapshot.instance_uuid = "uuid-web";
        snapshot.moref = moref;
        snapshot.name = "migratekit-" + job.value;
        snapshot.job_id = job;
        snapshot.created_ms = to_ms(clock.now());
        return snapshot;
    }
    /// A job of the machine that has ended.
    JobId ended_job(const VmContextId& vm) {
        const auto job = job_log.start({.type = JobType::migration,
                                        .operation = "sync",
                                        .owner = "test",
                                        .vm_context_id = vm,
                                        .metadata = "{}",
                                        .steps = {}});
        job_log.end(job);
        return job;
    }

    Report run() { return service->run_now({}); }
    /// Two runs, after which everything that is there is shown.
    Report settle() {
        run();
        return run();
    }
    std::vector<std::string> sentences(const Report& report) {
        std::vector<std::string> all;
        for (const auto& finding : report.findings) {
            all.push_back(std::string(to_string(finding.what.kind)) + " " + finding.what.object_id + " " +
                          std::string(to_string(finding.what.action)));
        }
        return all;
    }
    std::string id_of(const std::string& object) {
        for (const auto& finding : service->report().findings) {
            if (finding.what.object_id == object) {
                return finding.id;
            }
        }
        ADD_FAILURE() << "there is no finding about " << object;
        return {};
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
    JobStatus apply(const std::string& object, const std::string& confirmation = {}) {
        return outcome(service->apply(id_of(object), confirmation, "test"));
    }
    /// The process ends, dead or alive, and another one starts.
    void restart() {
        service->stop();
        service.reset();
        faults.revive();
        service.emplace(use());
        service->settle_interrupted();
    }
    Collaborators use() {
        return {.database = database,
                .job_log = job_log,
                .ledger = ledger,
                .machines = machines,
                .recovery_points = recovery_points,
                .credentials = credentials,
                .target = cloud,
                .removal = cloud,
                .source = vcenters,
                .clock = clock,
                .pacing = {.interval = std::chrono::hours{1}, .record_pause = std::chrono::milliseconds{1}}};
    }

    test::TemporaryFolder folder;
    test::FakeClock clock;
    test::Faults faults;
    std::shared_ptr<db::Database> stored = db::Database::open("sqlite:" + (folder / "oma.db"));
    std::shared_ptr<db::Database> database = std::make_shared<MortalDatabase>(stored, faults);
    SecretBox box{std::string(32, 'k')};
    ledger::Ledger ledger{database, clock};
    joblog::JobLog job_log{database, clock};
    machines::MachineRepository machines{database, job_log, clock};
    credentials::CredentialRepository credentials{database, box, clock};
    recovery::RecoveryPointRepository recovery_points{database, clock};
    FakeCloud cloud{stored, faults};
    FakeVcenters vcenters{faults};
    std::optional<ReconcileService> service{use()};
    CredentialId credential;
    VmContextId web;
    const VmContextId gone{"ctx-gone-20250101-000000"};  ///< once it had a job: see know_gone()
    void know_gone() { ended_job(gone); }
};

}  // namespace mk::reconcile

#pragma once
// A job registry with an engine and a vCenter that tests steer, and what an engine may say.

#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "appliance/vma/job_registry.hpp"
#include "appliance/vma/routes.hpp"
#include "base/json_fields.hpp"
#include "base/retry.hpp"
#include "base/secret.hpp"
#include "os/file.hpp"

namespace mk::vma::test {

class FakeGateway : public VcenterGateway {
  public:
    Discovered discover(const contracts::VcenterAccess& access, const std::string& filter,
                        const std::stop_token&) override {
        if (access.password.reveal() != "right") {
            throw Error(ErrorCode::unauthenticated, "the vCenter refuses the password");
        }
        SourceMachine machine;
        machine.name = "web-" + filter;
        machine.moref = "vm-1";
        machine.instance_uuid = "5000";
        return {.vcenter_uuid = "vc", .version = "8.0", .machines = {machine}};
    }
    contracts::PowerState power(const contracts::PowerRequest& request, const std::stop_token&) override {
        return {.power_state = request.action == "power_off" ? "poweredOff" : "poweredOn", .tools_running = true};
    }
    Swept sweep(const contracts::VcenterAccess&, const std::string& moref, const std::stop_token&) override {
        swept.push_back(moref);
        return {.removed = {"migratekit-1"}, .remaining = {}};
    }
    FoundSnapshots snapshots(const contracts::VcenterAccess&, const std::stop_token&) override {
        contracts::SourceSnapshot snapshot;
        snapshot.machine_moref = "vm-1";
        snapshot.moref = "snapshot-1";
        snapshot.name = "migratekit-1";
        return {.vcenter_uuid = "vc", .snapshots = {snapshot}};
    }
    void remove_snapshot(const contracts::SnapshotRemoval& removal, const std::stop_token&) override {
        swept.push_back(removal.moref + " " + removal.snapshot_moref);
    }
    std::vector<std::string> readers() const override { return {"folder"}; }

    std::vector<std::string> swept;
};

/// Plays what the test wrote for each job; "hold" waits for a stop request or release().
class FakeRunner : public EngineRunner {
  public:
    struct Play {
        std::vector<std::string> lines;
        EngineExit exit{.code = 0, .signal = 0, .last_output = ""};
        bool holds = false;
        std::string line_when_stopped{};
        std::optional<Error> failure{};
    };
    std::map<std::string, Play> plays;
    std::map<std::string, std::string> orders;
    std::map<std::string, std::string> checkpoints;
    std::vector<std::string> started;

    EngineExit run(const EngineTask& task, const EngineCallbacks& callbacks, const std::stop_token& stop) override {
        const std::string job = task.job.value;
        Play play;
        {
            const std::lock_guard lock(mutex_);
            play = plays.at(job);
            orders[job] = task.order;
            checkpoints[job] = task.checkpoint_file;
            started.push_back(job);
            ++running_;
        }
        callbacks.on_start([this, job](const std::string& line) {
            const std::lock_guard lock(mutex_);
            limits_[job].push_back(contracts::engine_command_from(line).bytes_per_second);
            return true;
        });
        for (const std::string& line : play.lines) {
            callbacks.on_event(line);
        }
        if (play.failure) {
            throw *play.failure;
        }
        std::unique_lock lock(mutex_);
        if (play.holds && !changed_.wait(lock, stop, [&] { return released_; })) {
            lock.unlock();
            callbacks.on_event(play.line_when_stopped);
            lock.lock();
        }
        --running_;
        return play.exit;
    }
    void release() {
        const std::lock_guard lock(mutex_);
        released_ = true;
        changed_.notify_all();
    }
    int running() {
        const std::lock_guard lock(mutex_);
        return running_;
    }

    /// The limits that the job's engine was told, in order.
    std::vector<Bytes> limits(const std::string& job) {
        const std::lock_guard lock(mutex_);
        return limits_[job];
    }

  private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::map<std::string, std::vector<Bytes>> limits_;
    bool released_ = false;
    int running_ = 0;
};

inline std::string result_line(Bytes planned = 0) {
    return contracts::engine_event_line(contracts::EngineResult{{.snapshot_time_ms = 5,
                                                                 .consistency = "crash",
                                                                 .disks = {{.disk_id = DiskId{"disk-2000"},
                                                                            .change_id = "52 aa/1",
                                                                            .backing_uuid = "u",
                                                                            .capacity = 512,
                                                                            .incremental = false,
                                                                            .full_copy_reason = "first copy",
                                                                            .planned = planned,
                                                                            .read = 0,
                                                                            .sent = 0,
                                                                            .zeroed = 0,
                                                                            .skipped = 0}}}});
}

inline std::string error_line(ErrorCode code) {
    return contracts::engine_event_line(contracts::EngineError{contracts::to_json(Error(code, "it broke"))});
}

inline std::string stage_line(const std::string& stage) {
    return contracts::engine_event_line(contracts::EngineProgress{.stage = stage, .sync_type = ""});
}

/// While it lives no file can grow: what a full disk does to the state folder, for any user and without a disk.
class FullDisk {
  public:
    FullDisk() : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit none{0, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &none);
    }
    ~FullDisk() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

  private:
    void (*handler_)(int);
    rlimit before_{};
};

inline std::string progress_line(Bytes done, Bytes total) {
    return contracts::engine_event_line(contracts::EngineProgress{
        "Copying",
        "initial",
        done,
        0,
        done / 2,
        "tunnel",
        "",
        {{DiskId{"disk-2000"}, total / 2, done / 2}, {DiskId{"disk-2001"}, total / 2, done / 2}}});
}

inline std::string snapshot_line() {
    return contracts::engine_event_line(contracts::EngineSnapshot{"snapshot-1", "migratekit-1"});
}

class Registry : public testing::Test {
  protected:
    Registry() : folder(std::filesystem::temp_directory_path() / ("mk-vma-" + random_hex(6))) { open(); }
    ~Registry() override {
        registry.reset();
        std::filesystem::remove_all(folder);
    }

    void open(JobLimits limits = {}) {
        registry.reset();
        registry = std::make_unique<JobRegistry>(folder, limits, runner, gateway, clock);
    }

    contracts::PassRequest request(const std::string& id, const std::string& moref = "") {
        contracts::PassRequest out;
        out.job_id = JobId{id};
        out.vcenter = {
            .url = "https://vc/sdk", .username = "u", .password = Secret{"hush-hush"}, .certificate_sha256 = ""};
        out.moref = moref.empty() ? "vm-" + id : moref;
        out.disks = {{.disk_id = DiskId{"disk-2000"},
                      .target_uri = "nbd://x/y",
                      .target_is_zero = false,
                      .base_change_id = "",
                      .base_backing_uuid = "",
                      .base_capacity = 0}};
        return out;
    }

    contracts::PassRequest attempt(const std::string& id, int number) {
        contracts::PassRequest out = request(id);
        out.attempt = number;
        return out;
    }

    void await_running(int engines) {
        wait_until([&] { return runner.running() == engines; }, std::chrono::milliseconds{2}, std::chrono::seconds{20},
                   {}, std::to_string(engines) + " engines");
    }

    void await_stage(const std::string& id, const std::string& stage) {
        wait_until([&] { return registry->progress(JobId{id}).stage == stage; }, std::chrono::milliseconds{2},
                   std::chrono::seconds{20}, {}, "job " + id + " did not reach " + stage);
    }

    void await(const std::string& id, const std::string& state) {
        wait_until([&] { return registry->progress(JobId{id}).state == state; }, std::chrono::milliseconds{2},
                   std::chrono::seconds{20}, {}, "job " + id + " did not become " + state);
    }

    ErrorCode code_of(const std::function<void()>& call) {
        try {
            call();
        } catch (const Error& error) {
            return error.code();
        }
        ADD_FAILURE() << "no error";
        return ErrorCode::internal;
    }

    std::string folder;
    SystemClock clock;
    FakeRunner runner;
    FakeGateway gateway;
    std::unique_ptr<JobRegistry> registry;
};

}  // namespace mk::vma::test

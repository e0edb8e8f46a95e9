// What one process writes the other one reads: every struct of the contracts goes through its JSON text and back.

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "contracts/engine_api.hpp"
#include "contracts/source_machine_json.hpp"
#include "contracts/vma_api.hpp"
#include "contracts/volumes_api.hpp"

using namespace mk;
using namespace mk::contracts;

namespace {

/// Over text, as on the wire.
Json wire(const Json& value) {
    return json::parse(json::dump(value));
}

template <class T>
std::string text(const T& value) {
    return json::dump(to_json(value));
}

PassRequest a_request() {
    return {.job_id = JobId{"job-1"},
            .vcenter = {.url = "https://vc/sdk",
                        .username = "root",
                        .password = Secret{"s3cret\"\\"},
                        .certificate_sha256 = "AB:CD"},
            .moref = "vm-1",
            .instance_uuid = "5000-1",
            .machine_name = "web",
            .quiesce = "required",
            .disks = {{.disk_id = DiskId{"disk-2000"},
                       .target_uri = "nbd://host:10809/x",
                       .target_is_zero = true,
                       .base_change_id = "52 aa/7",
                       .base_backing_uuid = "6000C29",
                       .base_capacity = 7 * GiB + 512}}};
}

PassResult a_result() {
    PassDiskResult disk{.disk_id = DiskId{"disk-2000"},
                        .change_id = "52 aa/8",
                        .backing_uuid = "6000C29",
                        .capacity = 7 * GiB,
                        .incremental = false,
                        .full_copy_reason = "first copy",
                        .planned = 5,
                        .read = 4,
                        .sent = 3,
                        .zeroed = 2,
                        .skipped = 1,
                        .digests = {{{0, 32 * MiB}, "00ff"}, {{1ULL << 42, 512}, "abcd"}}};
    return {.snapshot_time_ms = 1'700'000'000'123, .consistency = "crash", .disks = {disk}};
}

}  // namespace

TEST(VmaContract, PassRequestRoundTrip) {
    const PassRequest request = a_request();
    const PassRequest back = pass_request_from(wire(to_json(request)));
    EXPECT_EQ(text(back), text(request));
    EXPECT_EQ(back.vcenter.password.reveal(), "s3cret\"\\");
    EXPECT_EQ(back.disks.at(0).base_capacity, 7 * GiB + 512);
    EXPECT_TRUE(back.disks.at(0).target_is_zero);
}

TEST(VmaContract, PassRequestRefusesWhatIsMissingOrUnknown) {
    for (const char* field : {"job_id", "vcenter", "username", "password", "moref", "disks"}) {
        Json json = to_json(a_request());
        json.erase(field);
        EXPECT_THROW(pass_request_from(json), Error) << field;
    }
    Json json = to_json(a_request());
    json["quiesce"] = "perhaps";
    EXPECT_THROW(pass_request_from(json), Error);
    json = to_json(a_request());
    json["disks"] = Json::array();
    EXPECT_THROW(pass_request_from(json), Error);
    EXPECT_THROW(pass_request_from(Json("text")), Error);
}

TEST(VmaContract, PassProgressRoundTrip) {
    PassProgress progress{.job_id = JobId{"job-1"},
                          .state = "running",
                          .stage = "Copying",
                          .sync_type = "initial",
                          .percent = 11.1,
                          .total_bytes = 18 * GiB,
                          .done_bytes = 2 * GiB,
                          .sent_bytes = 1,
                          .zeroed_bytes = 2,
                          .bytes_per_second = 3.5,
                          .eta_seconds = 61,
                          .heartbeat_ms = 1'700'000'000'000,
                          .disks = {{DiskId{"disk-2000"}, 18 * GiB, 2 * GiB}},
                          .result = std::nullopt,
                          .error = std::nullopt};
    EXPECT_EQ(text(pass_progress_from(wire(to_json(progress)))), text(progress));
    progress.eta_seconds = std::nullopt;
    progress.result = a_result();
    progress.error = to_json(Error(ErrorCode::timeout, "late"));
    const PassProgress back = pass_progress_from(wire(to_json(progress)));
    EXPECT_EQ(text(back), text(progress));
    EXPECT_FALSE(back.eta_seconds);
    EXPECT_EQ(back.result->disks.at(0).digests.at(1).range.offset, 1ULL << 42);
}

TEST(VmaContract, PowerRoundTrip) {
    const PowerRequest request{.vcenter = a_request().vcenter, .moref = "vm-1", .action = "power_off"};
    EXPECT_EQ(text(power_request_from(wire(to_json(request)))), text(request));
    Json json = to_json(request);
    json["action"] = "explode";
    EXPECT_THROW(power_request_from(json), Error);
    const PowerState state{.power_state = "poweredOff", .tools_running = true};
    EXPECT_EQ(text(power_state_from(wire(to_json(state)))), text(state));
}

TEST(VmaContract, ErrorKeepsItsAdvice) {
    const Error error = Error(ErrorCode::exhausted, "full", {"nothing lost", "make room", true}).with_native("ENOSPC");
    const Error back = error_from(wire(to_json(error)));
    EXPECT_EQ(back.code(), ErrorCode::exhausted);
    EXPECT_EQ(back.cause(), "full");
    EXPECT_EQ(back.advice().consequence, "nothing lost");
    EXPECT_EQ(back.advice().remedy, "make room");
    EXPECT_TRUE(back.advice().retry_safe);
    EXPECT_EQ(back.native(), "ENOSPC");
}

TEST(EngineContract, EveryEventIsOneLineAndComesBack) {
    const std::vector<EngineEvent> events{
        EngineProgress{"Copying", "incremental", 1, 2, {{DiskId{"disk-2000"}, 10, 5}}},
        EngineSnapshot{"snapshot-1", "migratekit-job\n-1"},
        EngineDigests{DiskId{"disk-2000"}, {{{0, 512}, "aa"}}},
        EngineResult{a_result()},
        EngineError{to_json(Error(ErrorCode::cancelled, "stopped"))},
    };
    for (const EngineEvent& event : events) {
        const std::string line = engine_event_line(event);
        EXPECT_EQ(line.find('\n'), std::string::npos);
        EXPECT_EQ(engine_event_from(line).index(), event.index());
        EXPECT_EQ(engine_event_line(engine_event_from(line)), line);
    }
}

TEST(EngineContract, ADigestEventFitsIntoALine) {
    EngineDigests event{DiskId{"disk-2000"}, {}};
    event.digests.assign(digests_per_event, {{~0ULL, ~0ULL}, std::string(64, 'f')});
    EXPECT_LT(engine_event_line(event).size(), 60 * KiB);
}

TEST(EngineContract, RefusesForeignLines) {
    for (const char* line : {"", "nonsense", "{}", R"({"type":"dance"})", R"({"type":"snapshot"})", "[1]"}) {
        EXPECT_THROW(engine_event_from(line), Error) << line;
    }
}

TEST(SourceMachineJson, RoundTrip) {
    SourceMachine machine;
    machine.name = "web";
    machine.moref = "vm-1";
    machine.instance_uuid = "5000-1";
    machine.cpus = 2;
    machine.os_type = "unknown";
    machine.boot_order = {DiskId{"disk-2001"}};
    SourceDisk disk;
    disk.id = DiskId{"disk-2000"};
    disk.capacity = 3 * GiB + 512;
    disk.thin = true;
    machine.disks = {disk};
    SourceNic nic;
    nic.mac = "00:50:56:00:00:01";
    nic.addresses = {"10.0.0.1", "fe80::1"};
    machine.nics = {nic};
    machine.findings = {{Severity::blocker, "physical_rdm", "text", "remedy"}};
    const SourceMachine back = source_machine_from(wire(to_json(machine)));
    EXPECT_EQ(text(back), text(machine));
    EXPECT_EQ(to_json(machine).at("cpus"), 2);
    EXPECT_EQ(to_json(machine).at("os_type"), "unknown");
}

TEST(SourceMachineJson, IdentityMustBeThereTheRestNeedNot) {
    const Json identity{{"name", "web"}, {"moref", "vm-1"}, {"instance_uuid", "5000-1"}, {"novelty", true}};
    EXPECT_TRUE(source_machine_from(identity).disks.empty());
    for (const char* field : {"name", "moref", "instance_uuid"}) {
        Json json = identity;
        json.erase(field);
        EXPECT_THROW(source_machine_from(json), Error) << field;
    }
    Json json = identity;
    json["disks"] = Json::array({Json{{"label", "Hard disk 1"}}});
    EXPECT_THROW(source_machine_from(json), Error);
    json["disks"] = "none";
    EXPECT_THROW(source_machine_from(json), Error);
}

TEST(VolumesContract, RoundTrips) {
    const CreateVolume create{VmContextId{"ctx"}, DiskId{"disk-2000"}, "web-0", 5 * GiB};
    EXPECT_EQ(text(create_volume_from(wire(to_json(create)))), text(create));

    Volume volume;
    volume.volume_id = VolumeId{"v"};
    EXPECT_EQ(text(volume_from(wire(to_json(volume)))), text(volume));
    volume.vm_id = CloudMachineId{"m"};
    volume.device_id = 3;
    EXPECT_EQ(text(volume_from(wire(to_json(volume)))), text(volume));

    Snapshot snapshot{.volume_id = VolumeId{"v"},
                      .snapshot_id = CloudSnapshotId{"s"},
                      .snapshot_name = "n",
                      .status = "ready",
                      .created_at_ms = 5,
                      .revertable = true};
    EXPECT_EQ(text(snapshot_from(wire(to_json(snapshot)))), text(snapshot));

    const OpenWriteSession open{JobId{"j"}, VolumeId{"v"}, 512, "staged", false, 99};
    EXPECT_EQ(text(open_write_session_from(wire(to_json(open)))), text(open));
    Json wrong = to_json(open);
    wrong["kind"] = "sideways";
    EXPECT_THROW(open_write_session_from(wrong), Error);

    const WriteSession session{WriteSessionId{"w"}, JobId{"j"}, VolumeId{"v"}, "direct", "open", "nbd://x", 512, true};
    EXPECT_EQ(text(write_session_from(wire(to_json(session)))), text(session));

    Operation operation{.operation_id = "o",
                        .state = "completed",
                        .detail = "",
                        .percent = 100,
                        .result = Json{{"digest", "ab"}},
                        .error = std::nullopt};
    EXPECT_EQ(text(operation_from(wire(to_json(operation)))), text(operation));
}

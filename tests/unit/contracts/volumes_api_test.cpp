#include "contracts/volumes_api.hpp"

#include "unit/contracts/wire.hpp"

namespace mk::contracts::test {
namespace {

TEST(VolumesContract, RoundTrips) {
    const CreateVolume create{VmContextId{"ctx"}, DiskId{"disk-2000"}, "web-0", 5 * GiB};
    EXPECT_EQ(text(create_volume_from(wire(to_json(create)))), text(create));

    Volume volume;
    volume.volume_id = VolumeId{"v"};
    EXPECT_EQ(text(volume_from(wire(to_json(volume)))), text(volume));
    volume.vm_id = CloudMachineId{"m"};
    volume.device_id = 3;
    EXPECT_EQ(text(volume_from(wire(to_json(volume)))), text(volume));
    EXPECT_FALSE(volume_from(wire(to_json(volume))).clone_of);
    volume.clone_of = VolumeId{"r"};
    EXPECT_EQ(volume_from(wire(to_json(volume))).clone_of, VolumeId{"r"});

    const MachineVolume attached{.volume_id = VolumeId{"v"}, .type = "ROOT", .is_replica = true, .device_id = 0};
    EXPECT_EQ(text(machine_volume_from(wire(to_json(attached)))), text(attached));
    Json untold = to_json(attached);
    untold.erase("is_replica");
    EXPECT_THROW(machine_volume_from(untold), Error) << "not told must not mean that nothing is at risk";

    const StagingSpace space{.total_bytes = 4, .free_bytes = 3, .reserved_bytes = 2, .available_bytes = 1};
    EXPECT_EQ(text(staging_space_from(wire(to_json(space)))), text(space));

    Snapshot snapshot{.volume_id = VolumeId{"v"},
                      .snapshot_id = CloudSnapshotId{"s"},
                      .snapshot_name = "n",
                      .status = "ready",
                      .created_at_ms = 5,
                      .revertable = true};
    EXPECT_EQ(text(snapshot_from(wire(to_json(snapshot)))), text(snapshot));

    OpenWriteSession open{JobId{"j"}, VolumeId{"v"}, 512, "staged", false, 99, std::nullopt};
    EXPECT_EQ(text(open_write_session_from(wire(to_json(open)))), text(open));
    EXPECT_FALSE(open_write_session_from(wire(to_json(open))).resume_of);
    open.resume_of = JobId{"i"};
    EXPECT_EQ(open_write_session_from(wire(to_json(open))).resume_of, JobId{"i"});
    Json wrong = to_json(open);
    wrong["kind"] = "sideways";
    EXPECT_THROW(open_write_session_from(wrong), Error);

    WriteSession session{WriteSessionId{"w"}, JobId{"j"}, VolumeId{"v"}, "direct", "open",
                         "nbd://x",           "x",        512,           true,     false};
    EXPECT_EQ(text(write_session_from(wire(to_json(session)))), text(session));
    EXPECT_EQ(write_session_from(wire(to_json(session))).export_name, "x");
    EXPECT_FALSE(write_session_from(wire(to_json(session))).has_writes);
    Json silent = to_json(session);
    silent.erase("has_writes");
    EXPECT_TRUE(write_session_from(silent).has_writes) << "who does not say that it is untouched has been written to";

    Operation operation{.operation_id = "o",
                        .state = "completed",
                        .detail = "",
                        .percent = 100,
                        .result = Json{{"digest", "ab"}},
                        .error = std::nullopt};
    EXPECT_EQ(text(operation_from(wire(to_json(operation)))), text(operation));
}

}  // namespace
}  // namespace mk::contracts::test

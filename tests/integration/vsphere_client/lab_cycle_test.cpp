// Replication cycles against the lab's vCenter: freeze -> changed areas -> read -> release, and what can go wrong in
// between. The bytes that must be read come from the lab past everything that is simulated: its NBD export of the
// frozen disk.
#include <algorithm>

#include <gmock/gmock.h>

#include "block/nbd.hpp"
#include "endpoint.hpp"
#include "source/vsphere/snapshots.hpp"
#include "unit/source/vsphere/patient_reader.hpp"

namespace mk::vsphere {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const DiskId first_disk = disk_id_from_key(2000);
const DiskId second_disk = disk_id_from_key(2001);
constexpr const char* machine_name = "off-one";

std::string pattern(std::size_t length, char seed) {
    std::string text(length, seed);
    for (std::size_t i = 0; i < length; i += 97) {
        text[i] = static_cast<char>('A' + (i + static_cast<unsigned char>(seed)) % 50);
    }
    return text;
}

std::string read_range(block::BlockSource& source, Range range) {
    std::string text(range.length, '\0');
    PatientReader(source).read(range.offset, std::as_writable_bytes(std::span(text)));
    return text;
}

/// The whole disk in pieces as the engine would ask for them.
void expect_equal(block::BlockSource& actual, block::BlockSource& expected) {
    ASSERT_EQ(actual.capacity(), expected.capacity());
    PatientReader actual_reader(actual);
    PatientReader expected_reader(expected);
    std::vector<std::byte> actual_data(2 * MiB);
    std::vector<std::byte> expected_data(2 * MiB);
    for (Bytes offset = 0; offset < actual.capacity(); offset += actual_data.size()) {
        const auto length = std::min<Bytes>(actual_data.size(), actual.capacity() - offset);
        actual_reader.read(offset, std::span(actual_data).first(length));
        expected_reader.read(offset, std::span(expected_data).first(length));
        ASSERT_TRUE(actual_data == expected_data) << "at " << offset;
    }
}

std::unique_ptr<block::BlockSource> frozen_truth(int disk) {
    const auto machine = LabControl::machine(machine_name);
    for (const auto& entry : machine.at("snapshots").at(0).at("disks")) {
        if (entry.at("key") == disk) {
            return block::open_nbd_source(entry.at("frozen").at("uri"));
        }
    }
    throw Error(ErrorCode::not_found, "the lab has no frozen disk");
}

bool is_inside(const std::vector<Range>& areas, Range wanted) {
    return std::any_of(areas.begin(), areas.end(),
                       [&](const Range& area) { return area.offset <= wanted.offset && wanted.end() <= area.end(); });
}

std::string change_id_of(const FrozenMachine& frozen, const DiskId& disk) {
    for (const auto& entry : frozen.disks()) {
        if (entry.id == disk) {
            return entry.change_id;
        }
    }
    return {};
}

class LabCycle : public LabTest {
  protected:
    void SetUp() override {
        LabTest::SetUp();
        if (IsSkipped()) {
            return;
        }
        vcenter_ = connect();
        moref_ = find(*vcenter_, machine_name).moref;
    }
    void TearDown() override {
        if (vcenter_) {
            vcenter_->power_off(moref_, {});
            vcenter_->sweep_snapshots(moref_, {}, {});
            vcenter_.reset();
        }
        LabTest::TearDown();
    }
    FreezeOptions options() {
        FreezeOptions options{.job_id = "job-1", .appliance_id = "appliance-1"};
        options.on_stage = [this](std::string_view stage) { stages_.emplace_back(stage); };
        options.on_snapshot = [this](const std::string& moref, const std::string& name) {
            snapshots_.emplace_back(moref, name);
        };
        return options;
    }
    std::unique_ptr<FrozenMachine> freeze() { return vcenter_->freeze(moref_, options(), {}); }

    std::shared_ptr<Vcenter> vcenter_;
    std::string moref_;
    std::vector<std::string> stages_;
    std::vector<std::pair<std::string, std::string>> snapshots_;
};

TEST_F(LabCycle, FreezesReadsAndReleases) {
    LabControl::write(machine_name, 2001, 65536, pattern(70000, 'x'));
    auto frozen = freeze();
    EXPECT_EQ(frozen->name(), "migratekit-job-1");
    EXPECT_EQ(frozen->consistency(), "crash");
    EXPECT_NE(frozen->taken_at(), Instant{});
    ASSERT_EQ(snapshots_.size(), 1U);
    EXPECT_EQ(snapshots_[0], std::pair(frozen->moref(), frozen->name()));
    EXPECT_THAT(stages_, testing::Contains("Taking snapshot"));
    ASSERT_EQ(frozen->disks().size(), 2U);
    for (const auto& disk : frozen->disks()) {
        EXPECT_FALSE(disk.change_id.empty());
        EXPECT_FALSE(disk.backing_uuid.empty());
        const auto reader = frozen->open(disk.id, {});
        EXPECT_EQ(reader->max_request(), 2 * MiB);
        const auto truth = frozen_truth(disk.device_key);
        expect_equal(*reader, *truth);
    }

    frozen->release({});

    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
    frozen->release({});
    EXPECT_TRUE(vcenter_->machine(moref_, {}).change_tracking);
    EXPECT_EQ(error_of([&] { frozen->open(first_disk, {}); }).code(), ErrorCode::conflict);
}

TEST_F(LabCycle, ReleaseEndsAnOpenReader) {
    auto frozen = freeze();
    const auto reader = frozen->open(second_disk, {});
    frozen->release({});
    EXPECT_EQ(error_of([&] { read_range(*reader, {0, 512}); }).code(), ErrorCode::conflict);
}

TEST_F(LabCycle, FindsExactlyWhatChangedSinceTheLastSnapshot) {
    auto first = freeze();
    const auto since = change_id_of(*first, first_disk);
    const auto since_second = change_id_of(*first, second_disk);
    first->release({});
    const std::vector<Range> written{{0, 512}, {71 * MiB + 4096, 100000}, {167772160 - 512, 512}};
    for (const auto& range : written) {
        LabControl::write(machine_name, 2000, range.offset, pattern(range.length, 'w'));
    }

    auto second = freeze();

    const auto areas = second->changed_areas(first_disk, since, {});
    for (const auto& range : written) {
        EXPECT_TRUE(is_inside(areas, range)) << range.offset;
    }
    Bytes total = 0;
    for (const auto& area : areas) {
        total += area.length;
    }
    EXPECT_LE(total, 5 * 64 * KiB);
    EXPECT_THAT(second->changed_areas(second_disk, since_second, {}), IsEmpty());
    const auto reader = second->open(first_disk, {});
    for (const auto& range : written) {
        EXPECT_TRUE(read_range(*reader, range) == pattern(range.length, 'w')) << range.offset;
    }
    second->release({});
}

TEST_F(LabCycle, AllocatedAreasCoverEverythingThatIsNotZero) {
    auto frozen = freeze();
    const auto areas = frozen->changed_areas(first_disk, "*", {});
    ASSERT_FALSE(areas.empty());
    const auto truth = frozen_truth(2000);
    const std::string zeroes(64 * KiB, '\0');
    for (Bytes offset = 0; offset < truth->capacity(); offset += zeroes.size()) {
        const Range grain{offset, std::min<Bytes>(zeroes.size(), truth->capacity() - offset)};
        if (!is_inside(areas, grain)) {
            ASSERT_TRUE(read_range(*truth, grain) == zeroes.substr(0, grain.length)) << offset;
        }
    }
    frozen->release({});
}

TEST_F(LabCycle, KeepsTheFrozenBytesWhileTheMachineWritesOn) {
    LabControl::write(machine_name, 2001, 8 * MiB, pattern(64 * KiB, 'o'));
    auto frozen = freeze();
    LabControl::write(machine_name, 2001, 8 * MiB, pattern(64 * KiB, 'n'));
    const auto reader = frozen->open(second_disk, {});
    EXPECT_TRUE(read_range(*reader, {8 * MiB, 64 * KiB}) == pattern(64 * KiB, 'o'));
    frozen->release({});
}

TEST_F(LabCycle, SaysThatTrackingWasReset) {
    auto first = freeze();
    const auto since = change_id_of(*first, first_disk);
    first->release({});
    LabControl::fault({{"name", "cbt_reset"}, {"machine", machine_name}, {"disk", "2000"}});
    auto second = freeze();
    const auto error = error_of([&] { second->changed_areas(first_disk, since, {}); });
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_EQ(error.native(), "ChangeTrackingReset");
    second->release({});
}

TEST_F(LabCycle, TakesARefusedQueryForAReset) {
    auto first = freeze();
    const auto since = change_id_of(*first, first_disk);
    first->release({});
    auto second = freeze();
    for (const char* fault : {"FileFault", "InvalidArgument", "NotFound"}) {
        LabControl::fault({{"name", "query_fault"}, {"machine", machine_name}, {"fault", fault}});
        EXPECT_EQ(error_of([&] { second->changed_areas(first_disk, since, {}); }).native(), "ChangeTrackingReset")
            << fault;
    }
    LabControl::fault({{"name", "query_fault"}, {"machine", machine_name}});
    EXPECT_THAT(second->changed_areas(second_disk, "*", {}), ElementsAre(Range{0, 25167360}));
    second->release({});
}

TEST_F(LabCycle, ReadsOnWhenTheSessionEndsInTheMiddle) {
    auto frozen = freeze();
    const auto reader = frozen->open(first_disk, {});
    const auto truth = frozen_truth(2000);
    EXPECT_TRUE(read_range(*reader, {0, MiB}) == read_range(*truth, {0, MiB}));
    LabControl::fault({{"name", "session_expire"}});
    expect_equal(*reader, *truth);
    frozen->release({});
}

TEST_F(LabCycle, ReadsOnThroughCutConnectionsAndRefusals) {
    auto frozen = freeze();
    const auto reader = frozen->open(second_disk, {});
    const auto truth = frozen_truth(2001);
    LabControl::fault({{"name", "drop_connection"}, {"method", "folder"}, {"after_bytes", "1000"}, {"times", "2"}});
    expect_equal(*reader, *truth);
    LabControl::fault({{"name", "folder_status"}, {"status", "503"}, {"times", "4"}});
    expect_equal(*reader, *truth);
    frozen->release({});
}

TEST_F(LabCycle, GivesUpAReaderThatStaysRefusedAndStillReleases) {
    auto frozen = freeze();
    const auto reader = frozen->open(second_disk, {});
    LabControl::fault({{"name", "folder_status"}, {"status", "500"}, {"times", "0"}});
    const auto error = error_of([&] { read_range(*reader, {0, MiB}); });
    EXPECT_THAT(error.cause(), HasSubstr("500"));
    EXPECT_TRUE(error.advice().retry_safe);
    LabControl::request("DELETE", "/faults");
    frozen->release({});
    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
}

TEST_F(LabCycle, RepeatsWhatABusyMachineRefuses) {
    LabControl::fault({{"name", "task_in_progress"}, {"machine", machine_name}, {"method", "CreateSnapshot_Task"}});
    auto frozen = freeze();
    LabControl::fault(
        {{"name", "task_in_progress"}, {"machine", machine_name}, {"method", "RemoveSnapshot_Task"}, {"as", "fault"}});
    frozen->release({});
    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
}

TEST_F(LabCycle, NeverTakesASecondSnapshotWhenTheAnswerWasLost) {
    freeze()->release({});  // tracking is on: the next freeze takes exactly one
    snapshots_.clear();
    LabControl::fault({{"name", "drop_connection"}, {"method", "CreateSnapshot_Task"}, {"when", "after"}});
    auto frozen = freeze();
    EXPECT_EQ(LabControl::machine(machine_name).at("snapshots").size(), 1U);
    frozen->release({});
    LabControl::fault({{"name", "task_vanish"}, {"method", "CreateSnapshot_Task"}});
    frozen = freeze();
    EXPECT_EQ(LabControl::machine(machine_name).at("snapshots").size(), 1U);
    LabControl::fault({{"name", "task_vanish"}, {"method", "RemoveSnapshot_Task"}});
    frozen->release({});
    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
}

TEST_F(LabCycle, ConsolidatesWhatARemovalLeft) {
    auto frozen = freeze();
    LabControl::fault({{"name", "leave_consolidation"}, {"machine", machine_name}});
    frozen->release({});
    EXPECT_FALSE(LabControl::machine(machine_name).at("consolidation_needed").get<bool>());
}

TEST_F(LabCycle, RetriesARemovalWhoseFileIsLocked) {
    auto frozen = freeze();
    LabControl::fault({{"name", "task_fail"}, {"method", "RemoveSnapshot_Task"}, {"fault", "FileLocked"}});
    frozen->release({});
    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
}

TEST_F(LabCycle, LeavesNothingBehindWhenTheDatastoreIsFull) {
    freeze()->release({});
    LabControl::fault({{"name", "task_fail"}, {"method", "CreateSnapshot_Task"}, {"fault", "NoDiskSpace"}});
    const auto error = error_of([&] { freeze(); });
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_EQ(error.native(), "NoDiskSpace");
    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
}

TEST_F(LabCycle, LeavesNothingBehindWhenTheRecordFails) {
    auto failing = options();
    failing.on_snapshot = [](const std::string&, const std::string&) {
        throw Error(ErrorCode::exhausted, "no space for the record");
    };
    EXPECT_EQ(error_of([&] { vcenter_->freeze(moref_, failing, {}); }).code(), ErrorCode::exhausted);
    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
}

TEST_F(LabCycle, RemovesItsLeftOverAndOnlyThat) {
    const auto left = freeze();  // as after a crash: never released
    const auto frozen = freeze();
    EXPECT_NE(left->moref(), frozen->moref());
    EXPECT_EQ(LabControl::machine(machine_name).at("snapshots").size(), 1U);
    EXPECT_THAT(vcenter_->sweep_snapshots(moref_, "another-appliance", {}).removed, IsEmpty());
    EXPECT_THAT(vcenter_->sweep_snapshots(moref_, options().appliance_id, {}).removed, ElementsAre(frozen->name()));
}

TEST_F(LabCycle, RefusesToReadBelowAForeignSnapshot) {
    freeze()->release({});
    LabControl::request("POST", "/op", {{"op", "snapshot"}, {"machine", machine_name}, {"name", "foreign"}});
    const auto error = error_of([&] { freeze(); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.native(), "foreign_snapshot");
    EXPECT_THAT(error.cause(), HasSubstr("'foreign'"));
    EXPECT_THAT(vcenter_->sweep_snapshots(moref_, {}, {}).removed, IsEmpty());
    const auto snapshots = LabControl::machine(machine_name).at("snapshots");
    ASSERT_EQ(snapshots.size(), 1U);
    const auto session = open_session();
    remove_snapshot(*session, vm_reference(moref_), {"VirtualMachineSnapshot", snapshots.at(0).at("moref")}, {});
}

TEST_F(LabCycle, FallsBackToACrashConsistentSnapshot) {
    vcenter_->power_on(moref_, {});
    auto quiesced = freeze();
    EXPECT_EQ(quiesced->consistency(), "application");
    quiesced->release({});
    LabControl::fault({{"name", "quiesce_fault"}, {"machine", machine_name}, {"debris", "true"}});
    auto crash = freeze();
    EXPECT_EQ(crash->consistency(), "crash");
    EXPECT_EQ(LabControl::machine(machine_name).at("snapshots").size(), 1U);
    crash->release({});
    LabControl::fault(
        {{"name", "quiesce_fault"}, {"machine", machine_name}, {"kind", "application"}, {"debris", "true"}});
    auto required = options();
    required.quiesce = "required";
    EXPECT_EQ(error_of([&] { vcenter_->freeze(moref_, required, {}); }).native(), "ApplicationQuiesceFault");
    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
}

TEST_F(LabCycle, RemovesTheSnapshotThatCameAfterTheStop) {
    freeze()->release({});
    LabControl::fault(
        {{"name", "slow_tasks"}, {"machine", machine_name}, {"method", "CreateSnapshot_Task"}, {"seconds", "1"}});
    std::stop_source stop;
    auto stopping = options();
    stopping.on_stage = [&](std::string_view stage) {
        if (stage == "Taking snapshot") {
            stop.request_stop();
        }
    };
    EXPECT_EQ(error_of([&] { vcenter_->freeze(moref_, stopping, stop.get_token()); }).code(), ErrorCode::cancelled);
    EXPECT_THAT(LabControl::machine(machine_name).at("snapshots"), IsEmpty());
}

TEST_F(LabCycle, ReadsFromAnAddressThatTheCertificateDoesNotName) {
    auto other = access();
    // Another spelling of 127.0.0.1, which resolves to it and stands in no certificate.
    other.url = "https://127.1" + other.url.substr(other.url.rfind(':'));
    const auto vcenter = Vcenter::connect(other);
    auto frozen = vcenter->freeze(moref_, options(), {});
    const auto reader = frozen->open(second_disk, {});
    const auto truth = frozen_truth(2001);
    expect_equal(*reader, *truth);
    frozen->release({});
}

}  // namespace
}  // namespace mk::vsphere

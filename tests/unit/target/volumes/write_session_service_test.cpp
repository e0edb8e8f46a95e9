// Sessions on a volume that is a regular file. Commits through the daemon, kills and the REST API are tried in
// tests/integration/volumes.

#include "target/volumes/write_session_service.hpp"

#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"
#include "target/volumes/session_backend.hpp"
#include "unit/target/volumes/raw_nbd_client.hpp"
#include "unit/target/volumes/sync_faults.hpp"

namespace mk::volumes {
namespace {

using test::code_of;
using test::error_of;
using test_support::RawNbdClient;
using test_support::SyncFaults;

constexpr Bytes volume_size = 4 * MiB;
constexpr std::uint16_t write_command = 1;
constexpr std::uint16_t flush_command = 3;

std::shared_ptr<db::Database> migrated(const std::string& path) {
    auto database = db::Database::open("sqlite:" + path);
    db::migrate(*database, std::string(MK_SOURCE_DIR) + "/migrations");
    return database;
}

class WriteSessionServiceTest : public testing::Test {
  protected:
    /// What dies with the daemon.
    struct Running {
        explicit Running(WriteSessionServiceTest& test)
            : nbd(NbdServerOptions{.address = "127.0.0.1", .port = 0, .socket = "", .max_connections = 8}),
              sessions({test.volumes, test.rows, test.locator, test.digests, nbd, test.locks},
                       {.folder = test.staging, .reserve = 0, .quota = 0}) {}
        NbdServer nbd;
        WriteSessionService sessions;
    };

    test::TemporaryFolder folder;
    const std::string staging = folder / "staging";
    const std::string disk = folder / "disk";
    const std::string link = folder / "by-id/virtio-11111111222233334444";
    const VolumeId volume{"11111111-2222-3333-4444-555555555555"};
    const JobId job{"job-a"};
    std::shared_ptr<db::Database> database = migrated(folder / "test.db");
    test::FakeClock clock;
    KeyLocks locks;
    VolumeRepository volumes{database, clock};
    WriteSessionRepository rows{database, clock};
    DeviceLocator locator{{.by_id = folder / "by-id", .sysfs_block = folder / "sys", .nodes = folder / "dev"}};
    DigestMap digests{folder / "digests"};
    std::unique_ptr<Running> running;
    const Progress progress{{}, [](const std::string&, double) {}};

    WriteSessionServiceTest() {
        const auto file = os::open_file(disk, O_RDWR | O_CREAT);
        EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(volume_size)), 0);
        os::make_folders(folder / "by-id");
        plug();
        VolumeRow row;
        row.id = volume;
        row.vm_context_id = VmContextId{"ctx"};
        row.disk_id = DiskId{"disk-2000"};
        row.name = "web";
        row.size = volume_size;
        volumes.insert(row);
        volumes.save_mapping({.volume_id = volume,
                              .vm_context_id = VmContextId{"ctx"},
                              .operation_mode = "oma",
                              .vm_id = CloudMachineId{"appliance"},
                              .device_id = 1,
                              .device_path = disk,
                              .persistent_name = "",
                              .symlink_path = ""});
        running = std::make_unique<Running>(*this);
    }

    void plug() const { std::filesystem::create_symlink(disk, link); }
    void unplug() const { std::filesystem::remove(link); }

    WriteSessionService& sessions() { return running->sessions; }
    std::vector<WriteSessionId> restart() {
        running.reset();
        running = std::make_unique<Running>(*this);
        return sessions().resume();
    }
    WriteSessionView open(const std::string& kind, const std::string& of_job = "job-a",
                          const std::optional<JobId>& resume_of = {}) {
        return sessions().open({.job_id = JobId{of_job},
                                .volume_id = volume,
                                .length = volume_size,
                                .kind = kind,
                                .expect_zero = false,
                                .expected_bytes = 0,
                                .resume_of = resume_of},
                               {});
    }
    std::unique_ptr<RawNbdClient> client_of(const WriteSessionView& session) const {
        auto client = std::make_unique<RawNbdClient>(running->nbd.port());
        client->enter(session.row.id.value);
        return client;
    }
    static std::uint32_t put(RawNbdClient& client, Bytes offset, char value) {
        client.request(write_command, offset, 4096);
        client.send(std::string(4096, value));
        return client.error();
    }
    static std::uint32_t flush(RawNbdClient& client) {
        client.request(flush_command, 0, 0);
        return client.error();
    }
    /// Flushed, and its client is gone.
    void put_durably(const WriteSessionView& session, Bytes offset, char value) const {
        const auto client = client_of(session);
        ASSERT_EQ(put(*client, offset, value), 0u);
        ASSERT_EQ(flush(*client), 0u);
    }
    char on_disk(Bytes offset) const {
        std::byte value{};
        os::read_at(os::open_file(disk, O_RDONLY).get(), offset, std::span(&value, 1));
        return static_cast<char>(value);
    }
    std::string state_of(const WriteSessionView& session) const { return rows.require(session.row.id).state; }
    std::string file_of(const WriteSessionView& session, const char* extension) const {
        return staging + "/" + session.row.id.value + extension;
    }
    /// A session whose commit was cut off after its record.
    WriteSessionView committing() {
        const auto session = open("staged");
        put_durably(session, 0, 'a');
        rows.change_state(session.row.id, "open", "committing");
        EXPECT_EQ(restart(), std::vector{session.row.id});
        return session;
    }
};

TEST_F(WriteSessionServiceTest, SessionWhoseDeviceIsLateStaysAndIsOpenedByTheNextCall) {
    for (const std::string kind : {"staged", "direct"}) {
        const auto session = open(kind, "job-" + kind);
        put_durably(session, 4096, 'a');
        unplug();
        EXPECT_TRUE(restart().empty());
        EXPECT_EQ(state_of(session), "open");
        EXPECT_FALSE(running->nbd.has_export(session.row.id.value));
        plug();
        EXPECT_EQ(open(kind, "job-" + kind).row.id, session.row.id);
        EXPECT_TRUE(running->nbd.has_export(session.row.id.value));
        sessions().commit(session.row.id, progress);
        EXPECT_EQ(on_disk(4096), 'a');
    }
}

TEST_F(WriteSessionServiceTest, CommitVerifyAndTakeOverOpenASessionAgainThatHasNoExport) {
    const auto session = open("staged");
    put_durably(session, 4096, 'a');
    const auto start_without_device = [&] {
        unplug();
        restart();
        plug();
    };
    start_without_device();
    const auto wrong = sessions().verify(session.row.id, {{{0, 4096}, std::string(32, '0')}}, progress);
    EXPECT_EQ(wrong, (std::vector<Range>{{0, 4096}}));
    start_without_device();
    EXPECT_EQ(open("staged", "job-b", job).row.id, session.row.id);
    start_without_device();
    sessions().commit(session.row.id, progress);
    EXPECT_EQ(on_disk(4096), 'a');
}

TEST_F(WriteSessionServiceTest, StagingFolderThatIsAwayEndsNoSessionByItself) {
    const auto session = open("staged");
    put_durably(session, 4096, 'a');
    running.reset();
    std::filesystem::rename(staging, staging + ".away");
    restart();
    EXPECT_EQ(state_of(session), "open");
    const auto error = error_of([&] { sessions().commit(session.row.id, progress); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_TRUE(error.advice().retry_safe);
    EXPECT_EQ(state_of(session), "open");
    std::filesystem::remove(staging);
    std::filesystem::rename(staging + ".away", staging);
    sessions().commit(session.row.id, progress);
    EXPECT_EQ(on_disk(4096), 'a');
}

TEST_F(WriteSessionServiceTest, OpeningThatFindsTheStagedChangesGoneBeginsAnew) {
    for (const auto& [next, resume_of] : {std::pair{"job-a", std::optional<JobId>{}}, {"job-b", job}}) {
        const auto session = open("staged");
        restart();
        std::filesystem::remove(file_of(session, ".journal"));
        const auto other = open("staged", next, resume_of);
        EXPECT_NE(other.row.id, session.row.id);
        EXPECT_FALSE(other.has_writes);
        const auto old = rows.find(session.row.id);
        EXPECT_TRUE(!old || old->state == "aborted");
        sessions().abort(other.row.id, {});
    }
}

TEST_F(WriteSessionServiceTest, DamagedJournalEndsItsSession) {
    const auto session = open("staged");
    running.reset();
    ASSERT_EQ(::truncate(file_of(session, ".journal").c_str(), 3), 0);
    restart();
    EXPECT_EQ(state_of(session), "aborted");
    EXPECT_NE(open("staged").row.id, session.row.id);
}

TEST_F(WriteSessionServiceTest, CommitThatFailsBeforeItsRecordKeepsTheSession) {
    const auto session = open("staged");
    const auto client = client_of(session);
    ASSERT_EQ(put(*client, 0, 'a'), 0u);
    ASSERT_EQ(flush(*client), 0u);
    ASSERT_EQ(put(*client, 8192, 'b'), 0u);
    {
        const SyncFaults faults(".data");
        EXPECT_EQ(code_of([&] { sessions().commit(session.row.id, progress); }), ErrorCode::external);
    }
    EXPECT_EQ(state_of(session), "open");
    EXPECT_EQ(open("staged").row.id, session.row.id);
    EXPECT_EQ(on_disk(0), '\0');
    put_durably(session, 8192, 'b');
    sessions().commit(session.row.id, progress);
    EXPECT_EQ(on_disk(0), 'a');
    EXPECT_EQ(on_disk(8192), 'b');
}

TEST_F(WriteSessionServiceTest, NewAttemptAndVerificationCutWhoWroteBefore) {
    const auto session = open("staged");
    const std::vector<std::function<void()>> beginnings{[&] { open("staged"); }, [&] { open("staged", "job-b", job); },
                                                        [&] { sessions().verify(session.row.id, {}, progress); }};
    for (const auto& begin : beginnings) {
        const auto late = client_of(session);
        late->request(write_command, 0, 4096);
        late->send(std::string(100, 'x'));  // the rest is still on its way
        begin();
        EXPECT_TRUE(late->is_cut());
        put_durably(session, 0, 'n');
    }
    sessions().commit(session.row.id, progress);
    EXPECT_EQ(on_disk(0), 'n');
}

TEST_F(WriteSessionServiceTest, LostWritesShowToTheNextAttemptAsAnotherInstance) {
    for (const std::string kind : {"staged", "direct"}) {
        const auto session = open(kind, "job-" + kind);
        const auto instance = [&] {
            return running->nbd.exports().use(session.row.id.value, {})->backend().instance();
        };
        const auto before = instance();
        {
            const auto lane_a = client_of(session);
            const auto lane_b = client_of(session);
            ASSERT_EQ(put(*lane_a, 0, 'a'), 0u);
            ASSERT_EQ(put(*lane_b, 8192, 'b'), 0u);
            const SyncFaults faults(kind == "staged" ? ".data" : "/disk");
            EXPECT_NE(flush(*lane_a), 0u);
            EXPECT_NE(flush(*lane_b), 0u) << "the kernel tells it only once";
        }
        EXPECT_EQ(instance(), before);
        EXPECT_EQ(open(kind, "job-" + kind).row.id, session.row.id);
        EXPECT_NE(instance(), before);
        put_durably(session, 0, 'c');
        sessions().commit(session.row.id, progress);
        EXPECT_EQ(on_disk(0), 'c');
    }
}

TEST_F(WriteSessionServiceTest, CommitWhoseVolumeDidNotKeepWhatWasWrittenIsRepeated) {
    const auto session = open("staged");
    const auto client = client_of(session);
    client->request(write_command, leaf_size, static_cast<std::uint32_t>(leaf_size));
    client->send(std::string(leaf_size, 'a'));
    ASSERT_EQ(client->error(), 0u);
    const Progress losing({}, [&](const std::string&, double percent) {
        if (percent == 50) {  // all is applied: the disk loses a part of it
            os::write_at(os::open_file(disk, O_WRONLY).get(), leaf_size + 5000, std::vector(1, std::byte{0}));
        }
    });
    const auto error = error_of([&] { sessions().commit(session.row.id, losing); });
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_TRUE(error.advice().retry_safe);
    EXPECT_EQ(state_of(session), "committing");
    const auto digest = sessions().commit(session.row.id, progress).digest;
    EXPECT_EQ(on_disk(leaf_size + 5000), 'a');
    EXPECT_EQ(digest, digests.recompute(volume, BlockDevice(disk), {}));
}

TEST_F(WriteSessionServiceTest, CommitThatCanNeverBeFinishedIsGivenUpByRequestAlone) {
    const auto session = committing();
    volumes.set_digest(volume, "0123");
    const auto journal = file_of(session, ".journal");
    std::filesystem::rename(journal, journal + ".away");
    std::filesystem::create_directory(journal);  // there, and cannot be read
    EXPECT_NE(code_of([&] { sessions().commit(session.row.id, progress); }), ErrorCode::corrupt);
    EXPECT_EQ(code_of([&] { sessions().abort(session.row.id, {}); }), ErrorCode::conflict);
    EXPECT_EQ(state_of(session), "committing");
    sessions().abort(session.row.id, {}, true);
    EXPECT_EQ(state_of(session), "aborted");
    EXPECT_EQ(volumes.require(volume).digest, std::nullopt);
    sessions().commit(open("direct", "job-full").row.id, progress);
}

TEST_F(WriteSessionServiceTest, GivingUpAnOpenSessionIsAnAbortAndACommittedOneIsRefused) {
    const auto session = open("staged");
    sessions().abort(session.row.id, {}, true);
    EXPECT_EQ(state_of(session), "aborted");
    const auto other = open("staged");
    sessions().commit(other.row.id, progress);
    EXPECT_EQ(code_of([&] { sessions().abort(other.row.id, {}, true); }), ErrorCode::conflict);
}

TEST_F(WriteSessionServiceTest, ErrorsNameASessionWithoutOpeningItsExport) {
    const auto session = open("staged");
    sessions().abort(session.row.id, {});
    const auto error = error_of([&] { sessions().commit(session.row.id, progress); });
    EXPECT_EQ(error.full_text().find(session.row.id.value), std::string::npos);
    EXPECT_NE(error.full_text().find(session.row.short_id()), std::string::npos);
}

}  // namespace
}  // namespace mk::volumes

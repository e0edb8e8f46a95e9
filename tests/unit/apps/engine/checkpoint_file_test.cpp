#include "migratekit-engine/checkpoint_file.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"

using namespace mk;
using namespace mk::engine;

namespace {

RunDigest run(Bytes offset, Bytes length, unsigned char value) {
    RunDigest out{{offset, length}, {}};
    out.digest.bytes.fill(std::byte{value});
    return out;
}

class CheckpointFileTest : public testing::Test {
  protected:
    CheckpointFileTest() {
        std::string name = testing::TempDir() + "checkpoint-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        path = folder_ + "/machine.jsonl";
    }
    ~CheckpointFileTest() override { std::filesystem::remove_all(folder_); }

    std::vector<DiskCheckpoint> load() { return CheckpointFile(path).load(); }
    std::string text() { return os::read_file(path); }
    void put(const std::string& content) { os::write_file_atomically(path, content); }

    static std::vector<DiskCheckpoint> two_disks() {
        return {{.id = DiskId{"disk-2000"},
                 .session = "export \"1\"",
                 .change_id = "52 aa/1",
                 .backing_uuid = "uuid",
                 .capacity = 100 * MiB,
                 .touched = {{0, 1 * MiB}, {3 * MiB, 512}},
                 .runs = {run(0, 1 * MiB, 1)},
                 .differences = {{7 * MiB, 512}}},
                {.id = DiskId{"disk-2001"},
                 .session = "export-2",
                 .change_id = "",
                 .backing_uuid = "",
                 .capacity = 64 * 1024 * GiB,
                 .touched = {}}};
    }
    static void expect_equal(const DiskCheckpoint& a, const DiskCheckpoint& b) {
        EXPECT_EQ(a.id, b.id);
        EXPECT_EQ(a.session, b.session);
        EXPECT_EQ(a.change_id, b.change_id);
        EXPECT_EQ(a.backing_uuid, b.backing_uuid);
        EXPECT_EQ(a.capacity, b.capacity);
        EXPECT_EQ(a.touched, b.touched);
        EXPECT_EQ(a.runs, b.runs);
        EXPECT_EQ(a.differences, b.differences);
    }

    std::string folder_;
    std::string path;
};

}  // namespace

TEST_F(CheckpointFileTest, KeepsWhatItIsGiven) {
    std::vector<DiskCheckpoint> expected = two_disks();
    CheckpointFile file(path);
    EXPECT_TRUE(file.load().empty());
    file.begin(expected);
    const std::vector<RunDigest> more{run(64 * MiB, 32 * MiB, 2), run(32 * MiB, 512, 3)};
    const std::vector<Range> differing{{5 * MiB, 256 * KiB}, {0, 512}};
    file.append(expected[0].id, more, differing);
    file.append(expected[1].id, std::vector<RunDigest>{run(64 * 1024 * GiB - 512, 512, 4)}, {});
    expected[0].runs.insert(expected[0].runs.end(), {more[1], more[0]});
    expected[0].differences.insert(expected[0].differences.end(), differing.begin(), differing.end());
    expected[1].runs.push_back(run(64 * 1024 * GiB - 512, 512, 4));
    const std::vector<DiskCheckpoint> loaded = load();
    ASSERT_EQ(loaded.size(), 2U);
    expect_equal(loaded[0], expected[0]);
    expect_equal(loaded[1], expected[1]);
}

TEST_F(CheckpointFileTest, IsReadableByItsOwnerOnly) {
    CheckpointFile(path).begin(two_disks());
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(CheckpointFileTest, BeginReplacesEverything) {
    CheckpointFile file(path);
    file.begin(two_disks());
    file.append(DiskId{"disk-2000"}, std::vector<RunDigest>{run(32 * MiB, 512, 3)}, {});
    file.begin({two_disks()[1]});
    file.append(DiskId{"disk-2001"}, std::vector<RunDigest>{run(0, 512, 3)}, {});
    const std::vector<DiskCheckpoint> loaded = load();
    ASSERT_EQ(loaded.size(), 1U);
    EXPECT_EQ(loaded[0].id.value, "disk-2001");
    EXPECT_EQ(loaded[0].runs.size(), 1U);
}

TEST_F(CheckpointFileTest, TornAtAnyByteItHoldsWhatWasWhole) {
    CheckpointFile file(path);
    file.begin(two_disks());
    const std::size_t begun = text().size();
    for (unsigned char i = 0; i < 4; ++i) {
        file.append(DiskId{"disk-2000"},
                    std::vector<RunDigest>{run((i + 1U) * unit_size / 16, 64 * KiB, i),
                                           run((i + 9U) * unit_size / 16, 64 * KiB, i)},
                    {});
    }
    const std::string whole = text();
    std::size_t last = 0;
    for (std::size_t length = begun; length <= whole.size(); ++length) {
        put(whole.substr(0, length));
        const std::vector<DiskCheckpoint> loaded = load();
        ASSERT_EQ(loaded.size(), 2U) << length;
        const std::size_t runs = loaded[0].runs.size();
        EXPECT_EQ(runs % 2, 1U) << "a line is there, or it is not";
        EXPECT_GE(runs, last);
        last = runs;
    }
    EXPECT_EQ(last, 9U);
}

TEST_F(CheckpointFileTest, AFileThatIsNoneIsIgnored) {
    CheckpointFile(path).begin(two_disks());
    const std::string good = text();
    const std::string id = R"({"disk":"disk-2000",)";
    for (const std::string& bad : {
             std::string("nonsense\n"),
             std::string("{\"version\":2}\n"),
             std::string("[]\n"),
             good + "{}\n",
             good + id + R"("runs":[[0,512]]})" + "\n",
             good + id + R"("differences":[[0]]})" + "\n",
             good + id + R"("differences":[[104857600,512]]})" + "\n",
             good + id + R"("runs":[[2097152,512,"00"]]})" + "\n",
             good + id + R"("runs":[[104857600,512,"00000000000000000000000000000000"]]})" + "\n",
             good + id + R"("runs":[[2097152,0,"00000000000000000000000000000000"]]})" + "\n",
             good + id + R"("runs":[[-5,512,"00000000000000000000000000000000"]]})" + "\n",
             good + id + R"("runs":[[0,512,"00000000000000000000000000000000"]]})" + "\n",  // twice
             good + R"({"disk":"disk-1","runs":[]})" + "\n",
             good + std::string("\0\0\0\0\n", 5),
         }) {
        put(bad);
        EXPECT_TRUE(load().empty()) << bad.substr(bad.size() - std::min<std::size_t>(bad.size(), 90));
    }
}

TEST_F(CheckpointFileTest, WithoutAPlaceItSaysSo) {
    CheckpointFile file(folder_ + "/absent/machine.jsonl");
    EXPECT_THROW(file.begin(two_disks()), Error);
    file.append(DiskId{"disk-2000"}, std::vector<RunDigest>{run(0, 512, 3)}, {});  // must not throw
    EXPECT_TRUE(file.load().empty());
}

TEST_F(CheckpointFileTest, NoRunIsThereWithoutItsDifferences) {
    CheckpointFile file(path);
    file.begin(two_disks());
    const std::size_t begun = text().size();
    const std::vector<RunDigest> runs{run(32 * MiB, 32 * MiB, 2)};
    file.append(DiskId{"disk-2000"}, runs, std::vector<Range>{{33 * MiB, 512}});
    const std::string whole = text();
    for (std::size_t length = begun; length <= whole.size(); ++length) {
        put(whole.substr(0, length));
        const std::vector<DiskCheckpoint> loaded = load();
        ASSERT_EQ(loaded.size(), 2U) << length;
        EXPECT_LE(loaded[0].runs.size(), loaded[0].differences.size());
    }
    EXPECT_EQ(load()[0].runs.size(), 2U);
}

#include "target/volumes/digest_map.hpp"

#include <csignal>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "support/temporary_folder.hpp"
#include "target/volumes/overlay.hpp"

namespace mk::volumes {
namespace {

const VolumeId volume_id{"11111111-2222-3333-4444-555555555555"};

/// No file of this process can grow: every write fails, as on a full disk. Removing files works, as there.
class FullDisk {
  public:
    FullDisk() : signal_before_(std::signal(SIGXFSZ, SIG_IGN)) {
        EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
        const rlimit nothing{0, before_.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &nothing), 0);
    }
    ~FullDisk() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, signal_before_);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

  private:
    rlimit before_{};
    void (*signal_before_)(int);
};

class DigestMapTest : public testing::Test {
  protected:
    static constexpr Bytes size = 2 * unit_size + 512;
    test::TemporaryFolder folder;
    std::string path = folder / "disk";
    DigestMap map{folder / "state"};

    DigestMapTest() {
        const auto file = os::open_file(path, O_RDWR | O_CREAT);
        EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
    }
    void write(Bytes offset, std::string_view text) const {
        const BlockDevice device(path);
        device.write(offset, std::as_bytes(std::span(text.data(), text.size())));
    }
    /// By the definition, from the file's content.
    std::string expected() const {
        const auto content = os::read_file(path, 256 * MiB);
        Sha256 overall;
        for (Bytes at = 0; at < content.size(); at += unit_size) {
            overall.add(sha256_hex(std::string_view(content).substr(at, unit_size)));
        }
        return overall.finish();
    }
    BlockDevice device() const { return BlockDevice(path); }
};

TEST_F(DigestMapTest, IsTheDigestOverTheUnitDigests) {
    EXPECT_EQ(map.recompute(volume_id, device(), {}), expected());
    write(unit_size + 5, "changed");
    EXPECT_EQ(map.recompute(volume_id, device(), {}), expected());
    EXPECT_EQ(map.known(volume_id), expected());
}

TEST_F(DigestMapTest, UpdateReadsOnlyTouchedUnits) {
    map.recompute(volume_id, device(), {});
    write(size - 1, "x");
    EXPECT_EQ(map.update(volume_id, device(), {{size - 1, 1}}, {}), expected());
    const auto before = expected();
    write(0, "nobody told");
    EXPECT_EQ(map.update(volume_id, device(), {{size - 1, 1}}, {}), before);
    EXPECT_EQ(map.update(volume_id, device(), {{0, 11}}, {}), expected());
}

TEST_F(DigestMapTest, UpdateAcrossAnEdgeReadsBothUnits) {
    map.recompute(volume_id, device(), {});
    write(unit_size - 2, "edge");
    EXPECT_EQ(map.update(volume_id, device(), {{unit_size - 2, 4}}, {}), expected());
}

TEST_F(DigestMapTest, UpdateWithoutAStateFileReadsEverything) {
    write(100, "before");
    EXPECT_EQ(map.update(volume_id, device(), {}, {}), expected());
}

TEST_F(DigestMapTest, FromZeroTrustsWhatWasNotTouched) {
    write(unit_size, "written");
    EXPECT_EQ(map.from_zero(volume_id, device(), {{unit_size, 7}}, {}), expected());
}

TEST_F(DigestMapTest, GivesBackWhatWasKnownAtTheSnapshot) {
    const auto at_snapshot = map.recompute(volume_id, device(), {});
    map.save_for_snapshot(volume_id);
    write(0, "test run");
    EXPECT_NE(map.recompute(volume_id, device(), {}), at_snapshot);
    map.restore_from_snapshot(volume_id);
    EXPECT_EQ(map.known(volume_id), at_snapshot);
    map.forget(volume_id);
    map.restore_from_snapshot(volume_id);
    EXPECT_FALSE(map.known(volume_id));
}

TEST_F(DigestMapTest, AFullDiskCostsTheMemoryAndNeverTheTruth) {
    map.recompute(volume_id, device(), {});
    write(0, "changed");
    {
        const FullDisk full;
        EXPECT_EQ(map.update(volume_id, device(), {{0, 7}}, {}), expected());
    }
    EXPECT_FALSE(map.known(volume_id));
    EXPECT_EQ(map.update(volume_id, device(), {}, {}), expected()) << "not from a file of before";
}

TEST_F(DigestMapTest, AFullDiskHindersNeitherSnapshotNorRevert) {
    map.recompute(volume_id, device(), {});
    {
        const FullDisk full;
        map.save_for_snapshot(volume_id);
    }
    map.restore_from_snapshot(volume_id);
    EXPECT_FALSE(map.known(volume_id)) << "nothing was saved";

    map.recompute(volume_id, device(), {});
    map.save_for_snapshot(volume_id);
    {
        const FullDisk full;
        map.restore_from_snapshot(volume_id);
    }
    EXPECT_FALSE(map.known(volume_id));
    map.restore_from_snapshot(volume_id);
    EXPECT_EQ(map.known(volume_id), expected()) << "what was saved is still there";
}

TEST_F(DigestMapTest, ADamagedStateFileIsAsGoodAsNone) {
    map.recompute(volume_id, device(), {});
    write(size - 1, "x");
    for (const char* damaged : {"", "{", "[]", R"({"size":1,"unit_size":2,"units":[]})", R"({"size":-1})"}) {
        os::write_file_atomically(folder / "state/" + volume_id.value + ".json", damaged);
        EXPECT_FALSE(map.known(volume_id)) << damaged;
        EXPECT_EQ(map.update(volume_id, device(), {}, {}), expected()) << damaged;
    }
}

}  // namespace
}  // namespace mk::volumes

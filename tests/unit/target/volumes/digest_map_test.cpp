#include "target/volumes/digest_map.hpp"

#include <csignal>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "target/volumes/leaf_file.hpp"

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
    static constexpr Bytes size = 200 * leaf_size + 512;
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
        for (Bytes at = 0; at < content.size(); at += leaf_size) {
            const auto leaf = std::string_view(content).substr(at, leaf_size);
            overall.add(leaf_digest(std::as_bytes(std::span(leaf.data(), leaf.size()))).bytes);
        }
        return overall.finish();
    }
    std::string state_file() const { return folder / "state/" + volume_id.value + ".leaves"; }
    BlockDevice device() const { return BlockDevice(path); }
};

TEST_F(DigestMapTest, IsTheDigestOverTheLeafDigests) {
    EXPECT_EQ(map.recompute(volume_id, device(), {}), expected());
    write(leaf_size + 5, "changed");
    EXPECT_EQ(map.recompute(volume_id, device(), {}), expected());
    EXPECT_EQ(map.known(volume_id), expected());
}

TEST_F(DigestMapTest, UpdateReadsOnlyTouchedLeaves) {
    map.recompute(volume_id, device(), {});
    write(size - 1, "x");
    EXPECT_EQ(map.update(volume_id, device(), {{size - 1, 1}}, {}), expected());
    const auto before = expected();
    write(0, "nobody told");
    EXPECT_EQ(map.update(volume_id, device(), {{size - 1, 1}}, {}), before);
    EXPECT_EQ(map.update(volume_id, device(), {{0, 11}}, {}), expected());
}

TEST_F(DigestMapTest, UpdateAcrossAnEdgeReadsBothLeaves) {
    map.recompute(volume_id, device(), {});
    write(leaf_size - 2, "edge");
    EXPECT_EQ(map.update(volume_id, device(), {{leaf_size - 2, 4}}, {}), expected());
}

TEST_F(DigestMapTest, UpdateWithoutAStateFileReadsEverything) {
    write(100, "before");
    EXPECT_EQ(map.update(volume_id, device(), {}, {}), expected());
}

TEST_F(DigestMapTest, UpdateRefusesAVolumeThatDoesNotHoldWhatWasWritten) {
    const std::string leaf(leaf_size, 'x');
    const auto digest = leaf_digest(std::as_bytes(std::span(leaf)));
    const std::vector<ExpectedLeaves> written{{2, 3, digest}, {70, 90, zero_leaf_digest(leaf_size)}};
    const std::vector<Range> touched{{2 * leaf_size, leaf_size}, {69 * leaf_size, 22 * leaf_size}};
    for (const bool has_state_file : {false, true}) {
        if (has_state_file) {
            map.recompute(volume_id, device(), {});
        }
        write(2 * leaf_size, leaf);
        EXPECT_EQ(map.update(volume_id, device(), touched, {}, {}, written), expected());
        for (const Bytes lost : {2 * leaf_size, 3 * leaf_size - 1, 70 * leaf_size, 90 * leaf_size - 1}) {
            write(lost, "?");
            EXPECT_EQ(test::code_of([&] { map.update(volume_id, device(), touched, {}, {}, written); }),
                      ErrorCode::external)
                << lost;
            write(lost, lost < 70 * leaf_size ? "x" : std::string_view("\0", 1));
        }
        write(90 * leaf_size, "not expected");
        EXPECT_EQ(map.update(volume_id, device(), touched, {}, {}, written), expected());
        map.forget(volume_id);
    }
}

TEST_F(DigestMapTest, FromZeroTrustsWhatWasNotTouched) {
    write(leaf_size, "written");
    EXPECT_EQ(map.from_zero(volume_id, device(), {{leaf_size, 7}}, {}), expected());
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
    const auto at_snapshot = map.recompute(volume_id, device(), {});
    {
        const FullDisk full;
        map.save_for_snapshot(volume_id);
    }
    write(0, "test run");
    map.recompute(volume_id, device(), {});
    {
        const FullDisk full;
        map.restore_from_snapshot(volume_id);
    }
    EXPECT_EQ(map.known(volume_id), at_snapshot);
}

TEST_F(DigestMapTest, WhatWasSavedForTheSnapshotIsNotChangedByLaterCommits) {
    const auto at_snapshot = map.recompute(volume_id, device(), {});
    map.save_for_snapshot(volume_id);
    write(leaf_size, "later");
    map.update(volume_id, device(), {{leaf_size, 5}}, {});
    map.save_for_snapshot(volume_id);
    const auto later = map.known(volume_id);
    map.restore_from_snapshot(volume_id);
    EXPECT_EQ(map.known(volume_id), later);
    EXPECT_NE(map.known(volume_id), at_snapshot);
}

TEST_F(DigestMapTest, ADamagedStateFileIsAsGoodAsNone) {
    map.recompute(volume_id, device(), {});
    const auto whole = os::read_file(state_file());
    std::vector<std::string> damages = {"", "{", whole.substr(0, 63), whole.substr(0, whole.size() - 1), whole + "x"};
    for (const std::size_t at : {0u, 9u, 13u, 17u, 24u, 64u, 2000u}) {
        auto damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
        damages.push_back(damaged);
    }
    write(size - 1, "x");
    for (const auto& damaged : damages) {
        os::write_file_atomically(state_file(), damaged);
        EXPECT_FALSE(map.known(volume_id));
        EXPECT_EQ(map.update(volume_id, device(), {}, {}), expected());
        EXPECT_EQ(map.known(volume_id), expected()) << "and is replaced";
    }
}

TEST_F(DigestMapTest, HugeThinVolumesHaveSmallFiles) {
    const Bytes huge = Bytes{1} << 40;
    const auto file = os::open_file(path, O_RDWR);
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(huge)), 0);
    write(huge - 512, "end");
    const auto digest = map.from_zero(volume_id, device(), {{huge - 512, 3}}, {});
    struct stat status{};
    ASSERT_EQ(::stat(state_file().c_str(), &status), 0);
    EXPECT_LT(static_cast<Bytes>(status.st_blocks) * 512, MiB) << "of 64 MiB";
    EXPECT_EQ(map.recompute(volume_id, device(), {}), digest) << "holes need no reading";
    write(huge / 2, "middle");
    EXPECT_NE(map.update(volume_id, device(), {{huge / 2, 6}}, {}), digest);
}

TEST_F(DigestMapTest, StopsWhenAsked) {
    std::stop_source stop;
    stop.request_stop();
    try {
        map.recompute(volume_id, device(), stop.get_token());
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    EXPECT_FALSE(map.known(volume_id));
}

}  // namespace
}  // namespace mk::volumes

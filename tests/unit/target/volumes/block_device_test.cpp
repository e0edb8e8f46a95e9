#include "target/volumes/block_device.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "unit/target/volumes/sync_faults.hpp"

namespace mk::volumes {
namespace test_support {
namespace {

std::mutex faults_mutex;
std::string failing_path_end;
int failing_syncs = 0;

bool takes_fault(int fd) {
    const std::lock_guard lock(faults_mutex);
    if (failing_syncs == 0) {
        return false;
    }
    std::array<char, 4096> name{};
    const auto length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), name.data(), name.size());
    if (length < 0 || !std::string_view(name.data(), static_cast<std::size_t>(length)).ends_with(failing_path_end)) {
        return false;
    }
    --failing_syncs;
    return true;
}

}  // namespace

SyncFaults::SyncFaults(const std::string& path_end, int count) {
    const std::lock_guard lock(faults_mutex);
    failing_path_end = path_end;
    failing_syncs = count;
}

SyncFaults::~SyncFaults() {
    const std::lock_guard lock(faults_mutex);
    failing_syncs = 0;
}

}  // namespace test_support
}  // namespace mk::volumes

/// Takes the place of the C library's.
extern "C" int fdatasync(int fd) {
    if (mk::volumes::test_support::takes_fault(fd)) {
        errno = EIO;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace mk::volumes {
namespace {

class BlockDeviceTest : public testing::Test {
  protected:
    static constexpr Bytes size = 4 * MiB + 512;
    test::TemporaryFolder folder;
    std::string path = folder / "disk";

    BlockDeviceTest() {
        const auto file = os::open_file(path, O_RDWR | O_CREAT);
        EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
    }
};

TEST_F(BlockDeviceTest, WritesOfEveryAlignmentArriveAndTouchNothingElse) {
    const BlockDevice device(path);
    std::vector<std::byte> expected(size, std::byte{0xee});
    device.write(0, expected);
    AlignedBuffer buffer(MiB + 8192);
    int value = 1;
    for (const Range range :
         {Range{0, 4096}, Range{512, 512}, Range{100, 9000}, Range{4096, MiB}, Range{MiB - 1, MiB + 2},
          Range{4 * MiB, 512}, Range{4 * MiB - 4096, 4608}, Range{3 * MiB + 511, 1}}) {
        for (const Bytes shift : {range.offset % 4096, (range.offset + 1) % 4096}) {  // it can go directly, and cannot
            const auto data = buffer.first(buffer.size()).subspan(shift, range.length);
            std::ranges::fill(data, static_cast<std::byte>(value));
            device.write(range.offset, data);
            std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length,
                        static_cast<std::byte>(value));
            ++value;
        }
        std::vector<std::byte> content(size);
        device.read(0, content);
        EXPECT_EQ(content, expected) << range.offset;
    }
    device.zero({5000, MiB});
    std::fill_n(expected.begin() + 5000, MiB, std::byte{0});
    std::vector<std::byte> content(size);
    device.read(0, content);
    EXPECT_EQ(content, expected);
}

TEST_F(BlockDeviceTest, NoFlushSucceedsAfterOneThatFailed) {
    const BlockDevice device(path);
    const std::vector<std::byte> data(4096, std::byte{1});
    device.write(0, data);
    const test_support::SyncFaults faults(path);
    EXPECT_FALSE(device.has_lost_writes());
    EXPECT_EQ(test::code_of([&] { device.flush(); }), ErrorCode::external);
    EXPECT_TRUE(device.has_lost_writes());
    const auto second = test::error_of([&] { device.flush(); });
    EXPECT_EQ(second.code(), ErrorCode::external);
    EXPECT_TRUE(second.advice().retry_safe);
    const BlockDevice again(path);
    again.flush();
    EXPECT_FALSE(again.has_lost_writes());
}

TEST_F(BlockDeviceTest, WriteOfNothingIsDone) {
    const BlockDevice device(path);
    device.write(4096, {});
    EXPECT_EQ(device.extents({0, size}, 2), (std::vector<ContentExtent>{{{0, size}, true}}));
}

TEST_F(BlockDeviceTest, ExtentsCoverTheRangeAndNeverCallDataAHole) {
    const BlockDevice device(path);
    const std::vector<std::byte> data(4096, std::byte{1});
    device.write(MiB, data);
    device.write(3 * MiB, data);
    const auto extents = device.extents({512, size - 512}, 100);
    Bytes at = 512;
    for (const auto& extent : extents) {
        EXPECT_EQ(extent.range.offset, at);
        at = extent.range.end();
        for (const Bytes written : {MiB, 3 * MiB}) {
            EXPECT_FALSE(extent.is_zero && extent.range.offset < written + 4096 && written < extent.range.end());
        }
    }
    EXPECT_EQ(at, size);
    EXPECT_EQ(device.extents({0, size}, 1).size(), 1u);
}

}  // namespace
}  // namespace mk::volumes

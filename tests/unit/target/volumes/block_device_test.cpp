#include "target/volumes/block_device.hpp"

#include <algorithm>
#include <cstring>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/temporary_folder.hpp"

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

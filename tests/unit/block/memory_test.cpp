#include "block/memory.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

using namespace mk;
using namespace mk::block;

TEST(MemorySource, TellsHolesInRunsOf4KiB) {
    std::vector<std::byte> content(16 * KiB + 100);
    content[5000] = std::byte{1};
    MemorySource source(content);
    const auto extents = source.extents({0, content.size()}, {});
    ASSERT_EQ(extents.size(), 3U);
    EXPECT_TRUE(extents[0].is_zero);
    EXPECT_EQ(extents[1].range, (Range{4 * KiB, 4 * KiB}));
    EXPECT_FALSE(extents[1].is_zero);
    EXPECT_EQ(extents[2].range.end(), content.size());
}

TEST(MemorySource, RefusesWhatLiesOutside) {
    MemorySource source(std::vector<std::byte>(512));
    std::vector<std::byte> buffer(513);
    EXPECT_THROW(source.read(0, buffer, {}), Error);
    EXPECT_THROW(source.read(~0ULL, buffer, {}), Error);
}

TEST(MemorySource, StopsWhenAsked) {
    MemorySource source(std::vector<std::byte>(512));
    std::stop_source stop;
    stop.request_stop();
    std::vector<std::byte> buffer(1);
    EXPECT_THROW(source.read(0, buffer, stop.get_token()), Error);
}

TEST(MemorySink, RemembersWhatWasAsked) {
    MemorySink sink(1024, std::byte{0xEE});
    sink.write(1, std::vector<std::byte>(2, std::byte{7}), {});
    sink.zero({10, 4}, {});
    sink.flush({});
    EXPECT_EQ(sink.content[0], std::byte{0xEE});
    EXPECT_EQ(sink.content[2], std::byte{7});
    EXPECT_EQ(sink.content[13], std::byte{0});
    EXPECT_EQ(sink.writes.size(), 1U);
    EXPECT_EQ(sink.zeroes.at(0), (Range{10, 4}));
    EXPECT_EQ(sink.flushes, 1);
}

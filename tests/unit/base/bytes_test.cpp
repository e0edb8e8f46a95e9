#include "base/bytes.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace mk {
namespace {

TEST(Bytes, GibAreRoundedUp) {
    EXPECT_EQ(gib_rounded_up(0), 0U);
    EXPECT_EQ(gib_rounded_up(1), 1U);
    EXPECT_EQ(gib_rounded_up(GiB), 1U);
    EXPECT_EQ(gib_rounded_up(GiB + 1), 2U);
    EXPECT_EQ(gib_rounded_up(std::numeric_limits<Bytes>::max()), Bytes{1} << 34);
}

TEST(Bytes, AreShownInBinaryUnits) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(1023), "1023 B");
    EXPECT_EQ(format_bytes(1024), "1.0 KiB");
    EXPECT_EQ(format_bytes(18 * GiB + 400 * MiB), "18.4 GiB");
    EXPECT_EQ(format_bytes(MiB - 1), "1.0 MiB");
    EXPECT_EQ(format_bytes(3 * 1024 * GiB), "3.0 TiB");
    EXPECT_EQ(format_bytes(std::numeric_limits<Bytes>::max()), "16.0 EiB");
}

TEST(Bytes, RangeEndsAfterItsLastByte) {
    EXPECT_EQ((Range{512, 1024}.end()), 1536U);
    EXPECT_EQ((Range{1, 2}), (Range{1, 2}));
}

}  // namespace
}  // namespace mk

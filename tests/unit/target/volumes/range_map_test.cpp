#include "target/volumes/range_map.hpp"

#include <random>

#include <gtest/gtest.h>

namespace mk::volumes {
namespace {

using Ranges = std::vector<WrittenRange>;

TEST(RangeMap, MergesNeighboursOfTheSameKind) {
    RangeMap map;
    map.assign({0, 10}, Written::data);
    map.assign({20, 10}, Written::data);
    map.assign({10, 10}, Written::data);
    EXPECT_EQ(map.ranges(), (Ranges{{{0, 30}, Written::data}}));
}

TEST(RangeMap, LetsTheNewestWin) {
    RangeMap map;
    map.assign({0, 30}, Written::data);
    map.assign({10, 10}, Written::zero);
    EXPECT_EQ(map.ranges(), (Ranges{{{0, 10}, Written::data}, {{10, 10}, Written::zero}, {{20, 10}, Written::data}}));
    map.assign({5, 20}, Written::data);
    EXPECT_EQ(map.ranges(), (Ranges{{{0, 30}, Written::data}}));
}

TEST(RangeMap, IgnoresEmptyAssignments) {
    RangeMap map;
    map.assign({5, 0}, Written::data);
    EXPECT_TRUE(map.empty());
}

TEST(RangeMap, WalksGapsAndPiecesInOrder) {
    RangeMap map;
    map.assign({10, 10}, Written::data);
    map.assign({30, 10}, Written::zero);
    std::string seen;
    map.walk({5, 40}, [&](Range piece, const Written* kind) {
        seen += (kind == nullptr          ? "-"
                 : *kind == Written::data ? "d"
                                          : "z") +
                std::to_string(piece.offset) + "+" + std::to_string(piece.length) + " ";
    });
    EXPECT_EQ(seen, "-5+5 d10+10 -20+10 z30+10 -40+5 ");
}

TEST(RangeMap, AgreesWithAnArrayOfBytes) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    constexpr std::size_t size = 200;
    for (int round = 0; round < 50; ++round) {
        RangeMap map;
        std::vector<int> model(size, 0);
        for (int step = 0; step < 60; ++step) {
            const auto offset = random() % size;
            const auto length = random() % (size - offset);
            const auto kind = random() % 2 == 0 ? Written::data : Written::zero;
            map.assign({offset, length}, kind);
            std::fill_n(model.begin() + static_cast<std::ptrdiff_t>(offset), length, static_cast<int>(kind));
        }
        std::vector<int> seen(size, 0);
        const auto offset = random() % size;
        map.walk({0, size}, [&](Range piece, const Written* kind) {
            std::fill_n(seen.begin() + static_cast<std::ptrdiff_t>(piece.offset), piece.length,
                        kind == nullptr ? 0 : static_cast<int>(*kind));
        });
        EXPECT_EQ(seen, model);
        Bytes covered = 0;
        map.walk({offset, size - offset}, [&](Range piece, const Written*) { covered += piece.length; });
        EXPECT_EQ(covered, size - offset);
    }
}

LeafDigest digest(int value) {
    LeafDigest made;
    made.bytes.fill(static_cast<std::byte>(value));
    return made;
}

TEST(RangeMap, RangesWithADigestStayAsTheyAreUntilSomethingIsWrittenIntoThem) {
    RangeMap map;
    map.assign({0, 10}, Written::data, digest(1));
    map.assign({10, 10}, Written::data, digest(2));
    map.assign({20, 10}, Written::data);
    map.assign({30, 10}, Written::data);
    EXPECT_EQ(map.ranges(), (std::vector<WrittenRange>{{{0, 10}, Written::data, digest(1)},
                                                       {{10, 10}, Written::data, digest(2)},
                                                       {{20, 20}, Written::data}}));
    map.assign({5, 10}, Written::zero);
    EXPECT_EQ(
        map.ranges(),
        (std::vector<WrittenRange>{
            {{0, 5}, Written::data}, {{5, 10}, Written::zero}, {{15, 5}, Written::data}, {{20, 20}, Written::data}}));
    EXPECT_EQ(map.digest_count(), 0u);
}

TEST(RangeMap, CountsItsData) {
    RangeMap map;
    map.assign({0, 100}, Written::data, digest(1));
    map.assign({50, 100}, Written::data);
    map.assign({200, 100}, Written::zero);
    EXPECT_EQ(map.data_bytes(), 150u);
    map.assign({0, 300}, Written::zero);
    EXPECT_EQ(map.data_bytes(), 0u);
    map.assign({299, 2}, Written::data, digest(2));
    EXPECT_EQ(map.data_bytes(), 2u);
    EXPECT_EQ(map.digest_count(), 1u);
}

}  // namespace
}  // namespace mk::volumes

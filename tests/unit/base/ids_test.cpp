#include "base/ids.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace mk {
namespace {

TEST(Ids, UuidHasVersionSevenAndTheRfcVariant) {
    const std::string id = new_uuid();
    ASSERT_EQ(id.size(), 36U);
    for (const std::size_t position : {8U, 13U, 18U, 23U}) {
        EXPECT_EQ(id[position], '-');
    }
    EXPECT_EQ(id[14], '7');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef-"), std::string::npos);
}

TEST(Ids, EachIsGreaterThanTheOneBeforeAlsoWithinAMillisecond) {
    std::string last = new_uuid();
    for (int i = 0; i < 20'000; ++i) {  // several counters' worth per millisecond
        std::string next = new_uuid();
        ASSERT_LT(last, next);
        last = std::move(next);
    }
}

TEST(Ids, ThreadsNeverGetTheSame) {
    constexpr std::size_t per_thread = 5'000;
    std::vector<std::vector<std::string>> made(4);
    {
        std::vector<std::jthread> threads;
        for (auto& mine : made) {
            threads.emplace_back([&mine] {
                for (std::size_t i = 0; i < per_thread; ++i) {
                    mine.push_back(new_uuid());
                }
            });
        }
    }
    std::set<std::string> all;
    for (const auto& mine : made) {
        EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
        all.insert(mine.begin(), mine.end());
    }
    EXPECT_EQ(all.size(), made.size() * per_thread);
}

}  // namespace
}  // namespace mk

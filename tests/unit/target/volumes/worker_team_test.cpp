#include "target/volumes/worker_team.hpp"

#include <atomic>
#include <set>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace mk::volumes {
namespace {

TEST(WorkerTeam, DoesEveryPartOnce) {
    for (const std::size_t count : {0u, 1u, 3u, 1000u}) {
        std::vector<std::atomic<int>> done(count);
        do_parts(count, 4, [&] { return [&](std::size_t part) { ++done[part]; }; });
        for (const auto& times : done) {
            EXPECT_EQ(times, 1);
        }
    }
}

TEST(WorkerTeam, AFailureStopsWhatHasNotBegunAndIsThrown) {
    for (const unsigned workers : {1u, 3u}) {
        std::atomic<std::size_t> begun{0};
        const auto make_work = [&] {
            return [&](std::size_t part) {
                ++begun;
                if (part == 5) {
                    throw std::runtime_error("part 5");
                }
            };
        };
        EXPECT_THROW(do_parts(100'000, workers, make_work), std::runtime_error);
        if (workers == 1) {  // several may have finished before the failure is known
            EXPECT_EQ(begun, 6u);
        }
    }
}

TEST(WorkerTeam, AFailureWhileAThreadPreparesIsThrown) {
    EXPECT_THROW(do_parts(10, 2, []() -> PartWork { throw std::runtime_error("no memory"); }), std::runtime_error);
}

}  // namespace
}  // namespace mk::volumes

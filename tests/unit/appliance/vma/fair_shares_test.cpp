#include "appliance/vma/fair_shares.hpp"

#include <cmath>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

using namespace mk;
using mk::vma::Claim;
using mk::vma::fair_shares;

namespace {

using Shares = std::vector<Bytes>;

Claim asks_for(Bytes demand, int priority = 0) {
    return {.priority = priority, .cap = 0, .demand = demand, .asks_for_all = false};
}

Claim capped(Bytes cap, int priority = 0) {
    return {.priority = priority, .cap = cap};
}

Bytes sum_of(const Shares& shares) {
    return std::accumulate(shares.begin(), shares.end(), Bytes{0});
}

double weight(const Claim& claim) {
    return std::exp2(claim.priority / 25.0);
}

/// What a claim asks for; without end when it asks for all and has no cap.
double wanted(const Claim& claim) {
    const double cap = claim.cap == 0 ? INFINITY : static_cast<double>(claim.cap);
    return claim.asks_for_all ? cap : std::min(cap, static_cast<double>(claim.demand));
}

}  // namespace

TEST(FairShares, OneHasItAll) {
    EXPECT_EQ(fair_shares(100 * MiB, {{}}), Shares{100 * MiB});
    EXPECT_EQ(fair_shares(100 * MiB, {}), Shares{});
}

TEST(FairShares, EqualsGetEqualParts) {
    EXPECT_EQ(fair_shares(90, {{}, {}, {}}), (Shares{30, 30, 30}));
    EXPECT_EQ(fair_shares(100, {{}, {}, {}}), (Shares{33, 33, 33}));
}

TEST(FairShares, TwentyFivePointsOfPriorityAreTwiceThePart) {
    EXPECT_EQ(fair_shares(300, {{.priority = 25}, {}}), (Shares{200, 100}));
    EXPECT_EQ(fair_shares(257 * 100, {{.priority = -100}, {.priority = 100}}), (Shares{100, 25600}));
}

TEST(FairShares, WhatACapLeavesGoesToTheOthers) {
    EXPECT_EQ(fair_shares(100, {capped(10), {}, {}}), (Shares{10, 45, 45}));
    EXPECT_EQ(fair_shares(100, {capped(10), capped(20), {}}), (Shares{10, 20, 70}));
    EXPECT_EQ(fair_shares(100, {capped(10), capped(20)}), (Shares{10, 20}));
}

TEST(FairShares, WhoAsksForLittleLeavesTheRest) {
    EXPECT_EQ(fair_shares(100, {asks_for(4), {}, {}}), (Shares{4, 48, 48}));
    EXPECT_EQ(fair_shares(100, {asks_for(90), {}}), (Shares{50, 50})) << "but no more than is fair";
}

TEST(FairShares, WhatNobodyAsksForIsRoomToGrow) {
    EXPECT_EQ(fair_shares(100, {asks_for(10), asks_for(30)}), (Shares{40, 60}));
    Claim small = asks_for(10);
    small.cap = 20;
    EXPECT_EQ(fair_shares(100, {small, asks_for(30)}), (Shares{20, 80}));
}

TEST(FairShares, PropertiesHoldForAnything) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t end) {
        return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random);
    };
    for (int round = 0; round < 3000; ++round) {
        const Bytes total = (64 * KiB) << below(18);
        std::vector<Claim> claims(1 + below(20));
        double weights = 0;
        for (Claim& claim : claims) {
            claim.priority = static_cast<int>(below(201)) - 100;
            claim.cap = below(2) == 0 ? 0 : 64 * KiB + below(total);
            claim.asks_for_all = below(2) == 0;
            claim.demand = below(3) == 0 ? 0 : below(total);
            weights += weight(claim);
        }
        const Shares shares = fair_shares(total, claims);
        ASSERT_EQ(shares.size(), claims.size());
        ASSERT_LE(sum_of(shares), total);
        bool are_all_capped = true;
        for (std::size_t i = 0; i < claims.size(); ++i) {
            const double fair = static_cast<double>(total) * weight(claims[i]) / weights;
            if (claims[i].cap != 0) {
                ASSERT_LE(shares[i], claims[i].cap);
            }
            ASSERT_GE(static_cast<double>(shares[i]) + 2, std::min(fair, wanted(claims[i]))) << "nobody starves";
            are_all_capped = are_all_capped && claims[i].cap != 0 && shares[i] + 2 >= claims[i].cap;
        }
        ASSERT_TRUE(are_all_capped || sum_of(shares) + claims.size() + 2 >= total) << "nothing is left over";
        for (std::size_t i = 0; i < claims.size(); ++i) {
            for (std::size_t other = 0; other < claims.size(); ++other) {
                // Who did not get what he asks for envies nobody who was given more than he asks for.
                const bool lacks = static_cast<double>(shares[i]) + 2 < wanted(claims[i]);
                const double mine = static_cast<double>(shares[i] + 2) / weight(claims[i]);
                const double theirs = static_cast<double>(shares[other]) / weight(claims[other]);
                ASSERT_TRUE(!lacks || theirs <= mine * 1.0001) << i << " envies " << other;
            }
        }
    }
}

TEST(FairShares, EnormousLimitsAreNotExceeded) {
    const Shares shares = fair_shares(~Bytes{0}, {{}, {.priority = 7}, capped(~Bytes{0})});
    Bytes left = ~Bytes{0};
    for (const Bytes share : shares) {
        ASSERT_LE(share, left);
        left -= share;
    }
}

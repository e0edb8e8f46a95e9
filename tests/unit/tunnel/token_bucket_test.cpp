#include "tunnel/token_bucket.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using TimePoint = TokenAccount::TimePoint;

/// What goes between two instants when somebody always wants to send pieces of that size.
Bytes sent_between(TokenAccount& account, TimePoint& now, TimePoint end, Bytes piece) {
    Bytes sent = 0;
    while (now < end) {
        const auto wait = account.wait(now);
        if (wait.count() == 0) {
            account.take(piece);
            sent += piece;
        }
        now += wait;
    }
    return sent;
}

void expect_within_five_percent(Bytes sent, Bytes wanted) {
    EXPECT_GE(sent * 100, wanted * 95);
    EXPECT_LE(sent * 100, wanted * 105);
}

TEST(ATokenAccount, KeepsTheRateOverTenSeconds) {
    for (const Bytes rate : {MiB, 12'500'000UL, GiB}) {
        for (const Bytes piece : {16UL, 1500UL, 64 * KiB}) {
            if (rate / piece > 20'000) {
                continue;  // only slow to compute
            }
            TimePoint now{seconds{1000}};
            TokenAccount account(rate, now);
            expect_within_five_percent(sent_between(account, now, now + seconds{10}, piece), rate * 10);
        }
    }
}

TEST(ATokenAccount, KeepsANewRateFromItsFirstSecondOn) {
    TimePoint now{seconds{1000}};
    TokenAccount account(MiB, now);
    sent_between(account, now, now + seconds{3}, 64 * KiB);
    for (const Bytes rate : {8 * MiB, MiB}) {
        account.set_rate(rate, now);
        expect_within_five_percent(sent_between(account, now, now + seconds{10}, 64 * KiB), rate * 10);
    }
}

TEST(ATokenAccount, SavesNextToNothingUp) {
    TimePoint now{seconds{1000}};
    TokenAccount account(100 * MiB, now);
    now += std::chrono::hours{1};
    expect_within_five_percent(sent_between(account, now, now + seconds{10}, 64 * KiB), 1000 * MiB);
}

TEST(ATokenAccount, WithoutALimitNeverWaits) {
    TimePoint now{seconds{1000}};
    TokenAccount account(0, now);
    account.take(GiB);
    EXPECT_EQ(account.wait(now).count(), 0);
    account.set_rate(MiB, now);
    EXPECT_EQ(account.wait(now).count(), 0) << "no debt from the time without a limit";
}

TEST(ATokenBucket, LetsAWaiterGoWhenTheRateChanges) {
    TokenBucket bucket(1);
    bucket.take(MiB);  // a debt of twelve days
    std::thread waiter([&] { bucket.take(1); });
    bucket.set_rate(0);
    waiter.join();
    EXPECT_EQ(bucket.rate(), 0U);
}

TEST(ATokenBucket, LetsAWaiterGoWhenItIsStopped) {
    TokenBucket bucket(1);
    bucket.take(MiB);
    std::jthread waiter([&](const std::stop_token& stop) { bucket.take(1, stop); });
    waiter.request_stop();
    waiter.join();
    EXPECT_EQ(bucket.rate(), 1U);
}

}  // namespace
}  // namespace mk::tunnel

#include "tunnel/metered_stream.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "memory_stream.hpp"
#include "support/error_of.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using test::MemoryStream;
using test::noise;

TEST(AMeteredStream, CountsBothDirectionsAndChangesNothing) {
    auto lower = std::make_unique<MemoryStream>(noise(300));
    auto& memory = *lower;
    auto traffic = std::make_shared<Traffic>();
    const auto stream = metered(std::move(lower), std::make_shared<TokenBucket>(GiB), traffic);
    const auto one = noise(200'000);
    const auto other = noise(77, 2);
    const std::array<std::span<const std::byte>, 3> pieces{one, std::span<const std::byte>{}, other};
    stream->write(pieces);
    auto expected = one;
    expected.insert(expected.end(), other.begin(), other.end());
    EXPECT_EQ(memory.written, expected);
    EXPECT_EQ(traffic->sent, expected.size());
    std::vector<std::byte> got(300);
    stream->read(got);
    EXPECT_EQ(got, noise(300));
    EXPECT_EQ(traffic->received, 300U);
    EXPECT_EQ(traffic->cuts, 0U);
}

TEST(AMeteredStream, CountsAConnectionThatFailsOnce) {
    auto sockets = test::socket_pair();
    auto traffic = std::make_shared<Traffic>();
    const auto stream = metered(os::stream_on(std::move(sockets.one)), nullptr, traffic);
    stream->shut_down();
    std::array<std::byte, 1> buffer{};
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(test::code_of([&] { stream->read_some(buffer); }), ErrorCode::unavailable);
    }
    EXPECT_EQ(traffic->cuts, 1U);
}

TEST(AMeteredStream, IsShutDownWhileItWaitsForTheBucket) {
    auto sockets = test::socket_pair();
    auto bucket = std::make_shared<TokenBucket>(1);
    bucket->take(MiB);
    const auto stream = metered(os::stream_on(std::move(sockets.one)), bucket, nullptr);
    std::thread cutter([&] { stream->shut_down(); });
    EXPECT_EQ(test::code_of([&] { stream->write(std::span<const std::byte>(noise(10))); }), ErrorCode::unavailable);
    cutter.join();
}

}  // namespace
}  // namespace mk::tunnel

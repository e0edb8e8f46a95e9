#include "tunnel/reverse_pool.hpp"

#include <future>
#include <new>

#include <gtest/gtest.h>

#include "base/retry.hpp"
#include "tunnel/control_protocol.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Site;
using test::trusting;

class APool : public testing::Test {
  protected:
    /// An idle connection of "vma-1" whose key is paired or not when it is wanted.
    struct Connection {
        std::unique_ptr<TlsStream> vma_end;
        std::future<std::optional<ErrorCode>> outcome;
    };
    Connection idle_connection(std::function<bool()> is_paired) {
        auto sockets = test::socket_pair();
        const int below = sockets.other.get();
        const auto server_options = trusting(oma, vma, {"mk-control/1"});
        auto accepting = std::async(std::launch::async, [&] {
            auto stream = tls_accept(os::stream_on(std::move(sockets.other)), server_options);
            welcome(*stream, Welcome::served);
            return stream;
        });
        Connection made;
        made.vma_end = tls_connect(os::stream_on(std::move(sockets.one)), trusting(vma, oma, {"mk-control/1"}));
        const auto before = pool.count("vma-1").idle;
        made.outcome = std::async(
            std::launch::async, [this, below, stream = accepting.get(), asked = std::move(is_paired)]() mutable {
                const auto code = test::outcome_of([&] { pool.serve("vma-1", *stream, below, counted, asked); });
                stream.reset();
                return code;
            });
        wait_until([&] { return pool.count("vma-1").idle > before; }, milliseconds{5}, seconds{20}, {}, "not idle");
        return made;
    }
    /// The other end of a local connection that was given to the pool.
    std::unique_ptr<os::ByteStream> give() {
        auto sockets = test::socket_pair();
        pool.give("vma-1", std::move(sockets.other));
        return os::stream_on(std::move(sockets.one));
    }

    Site vma{"vma"};
    Site oma{"oma"};
    Metrics figures{"test"};
    Metrics::Protocol& counted = figures.of("mk-control/1");
    ReversePool pool;
};

TEST_F(APool, SendsNoRequestToAKeyThatIsNotPairedAnyMore) {
    auto old_key = idle_connection([] { return false; });
    const auto local = give();
    EXPECT_EQ(old_key.outcome.get(), ErrorCode::forbidden);
    std::array<std::byte, 1> word{};
    EXPECT_EQ(old_key.vma_end->read_some(word), 0U) << "not even that somebody wanted it";
    EXPECT_EQ(local->read_some(word), 0U) << "nobody else is there";
    EXPECT_EQ(pool.count("vma-1").used, 0U);
}

TEST_F(APool, SendsTheRequestToTheConnectionWithTheNewKey) {
    auto new_key = idle_connection([] { return true; });
    auto old_key = idle_connection([] { return false; });  // the one that is tried first
    const auto local = give();
    EXPECT_EQ(old_key.outcome.get(), ErrorCode::forbidden);
    std::array<std::byte, 1> word{};
    static_cast<os::ByteStream&>(*new_key.vma_end).read(word);
    EXPECT_EQ(word[0], control::use);
    word[0] = control::not_ready;
    static_cast<os::ByteStream&>(*new_key.vma_end).write(std::span<const std::byte>(word));
    EXPECT_EQ(new_key.outcome.get(), std::nullopt);
}

TEST_F(APool, ForgetsAConnectionWhosePairingCannotBeRead) {
    auto connection = idle_connection([]() -> bool { throw std::bad_alloc(); });
    const auto local = give();
    EXPECT_THROW(connection.outcome.get(), std::bad_alloc);
    std::array<std::byte, 1> byte{};
    EXPECT_EQ(local->read_some(byte), 0U);
    EXPECT_EQ(pool.count("vma-1").idle, 0U);
    EXPECT_EQ(pool.count("vma-1").used, 0U);
}

}  // namespace
}  // namespace mk::tunnel

#include "tunnel/pairing_exchange.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include "os/socket.hpp"
#include "support/error_of.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/sockets.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::seconds;
using test::Site;

/// An OMA that takes one pairing connection after the other.
class Oma {
  public:
    explicit Oma(PairingLimits limits = {})
        : desk(site.store, "oma-leeds", limits), listener_(os::listen_tcp("127.0.0.1", 0)) {}

    std::string address() const { return "127.0.0.1:" + std::to_string(listener_.port); }

    /// Serves the next connection on a thread of its own; what the desk made of it.
    std::future<std::optional<Error>> serve_one() {
        return std::async(std::launch::async, [this]() -> std::optional<Error> {
            try {
                const auto& own = site.identity;
                os::Descriptor socket;
                while (!socket) {
                    pollfd entry{listener_.socket.get(), POLLIN, 0};
                    ::poll(&entry, 1, -1);
                    socket = os::accept_now(listener_.socket.get());
                }
                const auto stream =
                    tls_accept(os::stream_on(std::move(socket)),
                               {.identity = own, .protocols = {alpn::pair}, .is_trusted = [](const std::string&) {
                                    return true;
                                }});
                welcome(*stream, Welcome::served);
                desk.serve(*stream, own.fingerprint);
            } catch (const Error& error) {
                return error;
            }
            return std::nullopt;
        });
    }

    Site site{"oma"};
    PairingDesk desk;

  private:
    os::TcpListener listener_;
};

class Pairings : public testing::Test {
  protected:
    explicit Pairings(PairingLimits limits = {}) : oma(limits) {}

    PairingRequest request(const std::string& code, const std::string& id = "vma-1") const {
        return {.folder = vma.folder.path(),
                .gateway = oma.address(),
                .code = code,
                .appliance_id = id,
                .name = "VMA in Leeds",
                .api_token = Secret("token of vma-api")};
    }
    Pairing pair(const std::string& code, const std::string& id = "vma-1") const {
        return pair_with_gateway(request(code, id), seconds{20}, {});
    }

    std::uint16_t port() const { return static_cast<std::uint16_t>(std::stoi(oma.address().substr(10))); }

    Site vma{"vma"};
    Oma oma;
};

TEST_F(Pairings, MakeBothSidesKnowEachOther) {
    const auto code = oma.site.store.invite().code;
    auto served = oma.serve_one();
    const auto made = pair(code);
    ASSERT_FALSE(served.get());
    EXPECT_EQ(made.fingerprint, oma.site.identity.fingerprint);
    EXPECT_EQ(made.name, "oma-leeds");
    const auto at_vma = vma.store.find("oma");
    ASSERT_TRUE(at_vma);
    EXPECT_EQ(at_vma->address, oma.address());
    EXPECT_EQ(at_vma->fingerprint, oma.site.identity.fingerprint);
    const auto at_oma = oma.site.store.find("vma-1");
    ASSERT_TRUE(at_oma);
    EXPECT_EQ(at_oma->fingerprint, vma.identity.fingerprint);
    EXPECT_EQ(at_oma->name, "VMA in Leeds");
    EXPECT_EQ(at_oma->api_token.reveal(), "token of vma-api");
    EXPECT_FALSE(oma.desk.is_open());
}

TEST_F(Pairings, UseACodeOnce) {
    const auto code = oma.site.store.invite().code;
    auto served = oma.serve_one();
    pair(code);
    served.get();
    oma.site.store.invite();
    served = oma.serve_one();
    EXPECT_EQ(test::code_of([&] { pair(code, "vma-2"); }), ErrorCode::forbidden);
    EXPECT_TRUE(served.get());
    EXPECT_FALSE(oma.site.store.find("vma-2"));
}

TEST_F(Pairings, FailWithAWrongCodeAndHandNothingOver) {
    oma.site.store.invite();
    auto served = oma.serve_one();
    const auto error = test::error_of([&] { pair("AAAAA-AAAAA-AAAAA-AAAAA"); });
    EXPECT_EQ(error.code(), ErrorCode::forbidden);
    EXPECT_EQ(error.native(), "WrongCode");
    const auto at_desk = served.get();
    ASSERT_TRUE(at_desk);
    EXPECT_EQ(at_desk->code(), ErrorCode::forbidden);
    EXPECT_TRUE(vma.store.list().empty());
    EXPECT_TRUE(oma.site.store.list().empty());
    EXPECT_TRUE(oma.desk.is_open());
}

TEST_F(Pairings, SurviveAsManyWrongCodesAsAStrangerSendsInPassing) {
    oma.site.store.invite();
    for (int i = 0; i < 10; ++i) {
        auto served = oma.serve_one();
        EXPECT_EQ(test::code_of([&] { pair("AAAAA-AAAAA-AAAAA-AAAAA"); }), ErrorCode::forbidden);
        served.get();
    }
    EXPECT_TRUE(oma.desk.is_open());
}

class PairingsWithoutTime : public Pairings {
  protected:
    PairingsWithoutTime() : Pairings({.exchange = std::chrono::milliseconds{0}}) {}
};

TEST_F(PairingsWithoutTime, FailHoweverManyBytesAreThere) {
    const auto code = oma.site.store.invite().code;
    auto served = oma.serve_one();
    EXPECT_TRUE(test::outcome_of([&] { pair(code); }));
    EXPECT_EQ(served.get()->code(), ErrorCode::timeout);
    EXPECT_TRUE(oma.site.store.list().empty());
}

class PairingsUnderFire : public Pairings {
  protected:
    PairingsUnderFire() : Pairings({.wrong_proofs = 5}) {}
};

TEST_F(PairingsUnderFire, EndAllInvitationsAfterTooManyWrongCodes) {
    const auto code = oma.site.store.invite().code;
    oma.site.store.invite();
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(oma.desk.is_open()) << i;
        auto served = oma.serve_one();
        EXPECT_EQ(test::code_of([&] { pair("AAAAA-AAAAA-AAAAA-AAAAA"); }), ErrorCode::forbidden);
        served.get();
    }
    EXPECT_FALSE(oma.desk.is_open());
    auto served = oma.serve_one();
    EXPECT_EQ(test::code_of([&] { pair(code); }), ErrorCode::forbidden);
    served.get();
}

TEST_F(Pairings, FailWhenSomebodyInBetweenPassesTheMessagesOn) {
    const Site middle{"middle"};
    oma.site.store.invite();
    const auto code = oma.site.store.invite().code;
    const auto trap = os::listen_tcp("127.0.0.1", 0);
    const auto trusting_all = [&] {
        return TlsOptions{.identity = middle.identity, .protocols = {alpn::pair}, .is_trusted = [](const std::string&) {
                              return true;
                          }};
    };
    auto served = oma.serve_one();
    auto in_between = std::async(std::launch::async, [&] {
        pollfd entry{trap.socket.get(), POLLIN, 0};
        ::poll(&entry, 1, -1);
        const auto victim = tls_accept(os::stream_on(os::accept_now(trap.socket.get())), trusting_all());
        welcome(*victim, Welcome::served);
        const auto desk = tls_connect(os::connect_tcp("127.0.0.1", port(), seconds{5}), trusting_all());
        std::vector<std::byte> buffer(1000);
        const auto got = victim->read_some(buffer);
        static_cast<os::ByteStream&>(*desk).write(std::span<const std::byte>(buffer).first(got));
        return desk->read_some(buffer);
    });
    auto to_trap = request(code);
    to_trap.gateway = "127.0.0.1:" + std::to_string(trap.port);
    EXPECT_EQ(test::code_of([&] { pair_with_gateway(to_trap, seconds{20}, {}); }), ErrorCode::forbidden);
    EXPECT_EQ(in_between.get(), 0U) << "the desk must not answer a proof for another key";
    EXPECT_EQ(served.get()->code(), ErrorCode::forbidden);
    EXPECT_TRUE(vma.store.list().empty());
    EXPECT_TRUE(oma.site.store.list().empty());
}

TEST_F(Pairings, DoNotReplaceAnotherApplianceOfTheSameId) {
    Site other{"other"};
    oma.site.trust(other, "vma-1");
    const auto code = oma.site.store.invite().code;
    auto served = oma.serve_one();
    EXPECT_EQ(test::code_of([&] { pair(code); }), ErrorCode::conflict);
    EXPECT_EQ(served.get()->code(), ErrorCode::conflict);
    EXPECT_EQ(oma.site.store.find("vma-1")->fingerprint, other.identity.fingerprint);
    EXPECT_TRUE(vma.store.list().empty());
}

TEST_F(Pairings, OfARenamedApplianceReplaceTheOldOne) {
    oma.site.trust(vma, "old-name");
    const auto code = oma.site.store.invite().code;
    auto served = oma.serve_one();
    pair(code, "new-name");
    EXPECT_FALSE(served.get());
    EXPECT_FALSE(oma.site.store.find("old-name"));
    EXPECT_TRUE(oma.site.store.find("new-name"));
}

TEST_F(Pairings, RefuseWhatIsNoCodeBeforeAnythingIsSent) {
    EXPECT_EQ(test::code_of([&] { pair("12345"); }), ErrorCode::invalid);
    EXPECT_EQ(test::code_of([&] { pair("AAAAA-AAAAA-AAAAA-AAAAA", "../x"); }), ErrorCode::invalid);
}

TEST_F(Pairings, AreNotMadeByNonsense) {
    oma.site.store.invite();
    for (const auto& words :
         {std::string("\n"), std::string("{}\n"), std::string("[1]\n"), std::string("{\"proof\":1}\n"),
          std::string("{\"proof\":\"\"}\n"), std::string(10'000, 'x'), std::string()}) {
        auto served = oma.serve_one();
        auto stream =
            tls_connect(os::connect_tcp("127.0.0.1", port(), seconds{5}),
                        {.identity = vma.identity, .protocols = {alpn::pair}, .is_trusted = [](const std::string&) {
                             return true;
                         }});
        static_cast<os::ByteStream&>(*stream).write(std::span<const std::byte>(test::bytes_of(words)));
        stream->finish_writing();
        EXPECT_TRUE(served.get()) << words.substr(0, 20);
    }
    EXPECT_TRUE(oma.site.store.list().empty());
}

}  // namespace
}  // namespace mk::tunnel

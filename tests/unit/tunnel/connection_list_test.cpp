#include "tunnel/connection_list.hpp"

#include <array>
#include <chrono>
#include <deque>
#include <future>

#include <gtest/gtest.h>

#include "base/retry.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Pairing pairing(const std::string& id) {
    return {.appliance_id = id, .name = id, .fingerprint = std::string(64, 'a'), .address = "", .api_token = {}};
}

class AList : public testing::Test {
  protected:
    /// A connection that ends when told to, and not when it is cut: the slowest of all.
    bool begin_stubborn() {
        auto sockets = test::socket_pair();
        peers.push_back(std::move(sockets.one));
        auto& end = ends.emplace_back();
        return connections.begin(
            std::move(sockets.other),
            [told = end.get_future().share()](ConnectionList::Entry&, const os::Descriptor&) { told.wait(); });
    }
    bool is_admitted(const std::string& appliance_id) {
        auto sockets = test::socket_pair();
        peers.push_back(std::move(sockets.one));
        auto& end = ends.emplace_back();
        std::promise<bool> answer;
        connections.begin(std::move(sockets.other), [this, &answer, appliance_id, told = end.get_future().share()](
                                                        ConnectionList::Entry& entry, const os::Descriptor&) {
            answer.set_value(connections.admit(entry, pairing(appliance_id), "mk-nbd/1"));
            told.wait();
        });
        return answer.get_future().get();
    }
    void TearDown() override {
        for (std::size_t i = ended; i < ends.size(); ++i) {
            ends[i].set_value();
        }
    }

    std::vector<os::Descriptor> peers;
    std::deque<std::promise<void>> ends;
    std::size_t ended = 0;
    ConnectionList connections{8, 2};
};

bool is_cut(const os::Descriptor& peer) {
    std::array<char, 1> byte{};
    return ::recv(peer.get(), byte.data(), byte.size(), MSG_DONTWAIT) == 0;
}

TEST_F(AList, CutsTheOldestStrangerThatWasNotCutYet) {
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(begin_stubborn()) << i;
    }
    EXPECT_TRUE(is_cut(peers[0]));
    EXPECT_TRUE(is_cut(peers[1]));
    EXPECT_FALSE(is_cut(peers[2]));
    EXPECT_FALSE(is_cut(peers[3]));
}

TEST_F(AList, RefusesStrangersWhileTooManyAreEnding) {
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(begin_stubborn()) << i;
    }
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(begin_stubborn()) << i;
        EXPECT_TRUE(is_cut(peers.back()));
    }
    EXPECT_FALSE(is_cut(peers[2])) << "those who are still welcome do not pay for it";
    ends[0].set_value();
    ended = 1;
    wait_until([&] { return begin_stubborn(); }, milliseconds{10}, seconds{20}, {}, "no place became free");
}

TEST_F(AList, GivesOneApplianceThreeQuartersOfThePlaces) {
    for (int i = 0; i < 6; ++i) {
        EXPECT_TRUE(is_admitted("vma-1")) << i;
    }
    EXPECT_FALSE(is_admitted("vma-1"));
    EXPECT_TRUE(is_admitted("vma-2"));
    EXPECT_TRUE(is_admitted("vma-3"));
    EXPECT_FALSE(is_admitted("vma-4")) << "all places are taken";
}

}  // namespace
}  // namespace mk::tunnel

// Which VMA is spoken to and how, over real pairings in a folder.

#include "oma-api/source_access.hpp"

#include <atomic>

#include <gtest/gtest.h>

#include "oma-api/vma_client.hpp"
#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"
#include "unit/http/raw_peer.hpp"

namespace mk::oma {
namespace {

using http::testing::RawConnection;
using http::testing::ScriptedPeer;
using test::error_of;

class SourceAccess : public ::testing::Test {
  protected:
    SourceAccess() { db::migrate(*database_, MK_SOURCE_DIR "/migrations"); }

    void pair(const std::string& id, const std::string& name) {
        tunnel::PairingStore(folder_.path(), clock_)
            .put({.appliance_id = id,
                  .name = name,
                  .fingerprint = std::string(64, 'a'),
                  .address = {},
                  .api_token = Secret("token-of-" + id),
                  .paired_at = clock_.now()});
    }
    static ScriptedPeer::Script answers(const std::string& body, std::string* request = nullptr) {
        return [body, request](RawConnection& connection) {
            const auto text = connection.read_message();
            if (request != nullptr) {
                *request = text;
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        };
    }

    test::TemporaryFolder folder_;
    test::FakeClock clock_;
    std::shared_ptr<db::Database> database_ = db::Database::open("sqlite:" + (folder_ / "oma.db"));
    joblog::JobLog job_log_{database_, clock_};
    TunnelPairings pairings_{folder_.path(), clock_};
    settings::SourceAppliances appliances_{pairings_, job_log_, settings::SettingRows(database_, clock_), {}};
    SourceDirectory directory_{{.control_folder = folder_.path()}, pairings_, appliances_};
};

TEST_F(SourceAccess, WithoutPairingTheOperatorIsToldToPair) {
    const auto error = error_of([&] { directory_.route(); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("migratekit appliance pair"), std::string::npos);
    EXPECT_EQ(directory_.address(), "tunnel");
}

TEST_F(SourceAccess, APairingCountsFromTheNextCallOn) {
    pair("id-1", "leeds");
    const auto route = directory_.route();
    EXPECT_EQ(route.base_url, "unix:" + (folder_ / "id-1.sock"));
    EXPECT_EQ(route.token.reveal(), "token-of-id-1");
    EXPECT_TRUE(route.is_tunnel);
    EXPECT_EQ(directory_.address(), "tunnel to leeds");

    EXPECT_TRUE(pairings_.remove("id-1"));
    EXPECT_EQ(error_of([&] { directory_.route(); }).code(), ErrorCode::conflict);
    EXPECT_FALSE(pairings_.remove("id-1"));
}

TEST_F(SourceAccess, AConfiguredAddressIsUsedAsItIs) {
    pair("id-1", "leeds");
    settings::SourceAppliances none(pairings_, job_log_, settings::SettingRows(database_, clock_),
                                    {.has_address = true});
    const SourceDirectory directory({.url = "http://vma:8081", .token = Secret("t"), .control_folder = {}}, pairings_,
                                    none);
    EXPECT_EQ(directory.route().base_url, "http://vma:8081");
    EXPECT_FALSE(directory.route().is_tunnel);
    EXPECT_EQ(directory.address(), "http://vma:8081");
}

TEST_F(SourceAccess, CallsGoThroughTheSocketOfTheAppliance) {
    pair("id-1", "leeds");
    std::string request;
    ScriptedPeer gateway(folder_ / "id-1.sock", answers(R"({"version":"0.9"})", &request));
    VmaClient client([this] { return directory_.route(); });

    EXPECT_EQ(client.version(), "0.9");
    gateway.stop();
    EXPECT_NE(request.find("Authorization: Bearer token-of-id-1\r\n"), std::string::npos) << request;
}

TEST_F(SourceAccess, CallsAfterEachOtherUseOneConnection) {
    pair("id-1", "leeds");
    std::atomic<int> connections = 0;
    ScriptedPeer gateway(folder_ / "id-1.sock", [&](RawConnection& connection) {
        ++connections;
        while (!connection.read_message().empty()) {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"version\":\"0.9\"}");
        }
    });
    {
        VmaClient client([this] { return directory_.route(); });
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(client.version(), "0.9");
        }
        EXPECT_EQ(connections, 1);

        tunnel::PairingStore store(folder_.path(), clock_);
        auto renewed = *store.find("id-1");
        renewed.api_token = Secret("another");
        store.put(renewed);
        EXPECT_EQ(client.version(), "0.9");
        EXPECT_EQ(connections, 2) << "another pairing, another connection";
    }
    gateway.stop();
}

TEST_F(SourceAccess, AnApplianceThatIsNotConnectedIsNamed) {
    pair("id-1", "leeds");
    VmaClient client([this] { return directory_.route(); });

    const auto error = error_of([&] { client.version(); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("the VMA leeds at unix:" + (folder_ / "id-1.sock")), std::string::npos)
        << error.cause();
    EXPECT_FALSE(error.advice().remedy.empty());

    const auto state = appliance_state(directory_.route());
    EXPECT_FALSE(state.reachable);
    EXPECT_EQ(state.problem, error.cause());
}

TEST_F(SourceAccess, TheStateTellsVersionAndTime) {
    pair("id-1", "leeds");
    {
        ScriptedPeer gateway(folder_ / "id-1.sock", answers(R"({"version":")" MK_VERSION R"("})"));
        const auto state = appliance_state(directory_.route());
        EXPECT_TRUE(state.reachable);
        EXPECT_TRUE(state.is_same_version);
        EXPECT_GT(state.round_trip.count(), 0);
    }
    std::filesystem::remove(folder_ / "id-1.sock");
    ScriptedPeer gateway(folder_ / "id-1.sock", answers(R"({"version":"0.0.1"})"));
    EXPECT_FALSE(appliance_state(directory_.route()).is_same_version);
}

TEST_F(SourceAccess, AnInvitationCarriesBothThingsToCompare) {
    const auto invitation = pairings_.invite();
    EXPECT_FALSE(invitation.code.empty());
    EXPECT_GT(invitation.expires, clock_.now());
    EXPECT_EQ(invitation.fingerprint.size(), 64U);
    EXPECT_NE(invitation.fingerprint_for_people, invitation.fingerprint);
    EXPECT_EQ(pairings_.open_invitations(), 1U);
    EXPECT_EQ(pairings_.invite().fingerprint, invitation.fingerprint) << "the key stays";

    clock_.advance(std::chrono::minutes{11});
    EXPECT_EQ(pairings_.open_invitations(), 0U);
}

TEST_F(SourceAccess, AnOmaWithoutTunnelPairsNobodyAndSaysWhy) {
    TunnelPairings none("", clock_);
    EXPECT_TRUE(none.list().empty());
    EXPECT_EQ(none.open_invitations(), 0U);
    EXPECT_FALSE(none.remove("id-1"));
    const auto error = error_of([&] { none.invite(); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("tunnel.folder"), std::string::npos);
    EXPECT_EQ(error_of([&] { none.api_token("id-1"); }).code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace mk::oma

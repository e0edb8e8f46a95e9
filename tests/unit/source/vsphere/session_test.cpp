#include "source/vsphere/session.hpp"

#include <thread>

#include <gmock/gmock.h>

#include "source/vsphere/api_version.hpp"
#include "source/vsphere/property_reader.hpp"
#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

using testing::ElementsAre;

Call reading() {
    return {"reading", requests::current_time()};
}
Call changing() {
    return {"changing", requests::power_on(vm_reference("vm-1")), false};
}

Error lost_answer() {
    return Error(ErrorCode::unavailable, "closed without an answer", {});
}
Error not_sent() {
    return Error(ErrorCode::unavailable, "connection refused", {.retry_safe = true});
}

std::vector<std::string> methods(const FakeServer& server) {
    std::vector<std::string> names;
    for (const auto& request : server.requests) {
        names.push_back(request.method);
    }
    return names;
}

TEST(Session, LogsInWithoutACookieAndSendsItByteForByteAfterwards) {
    auto server = std::make_shared<FakeServer>();
    {
        const auto session = open_session(server);
        session->call(reading(), {});
    }
    EXPECT_THAT(methods(*server), ElementsAre("RetrieveServiceContent", "Login", "CurrentTime", "Logout"));
    EXPECT_EQ(server->requests[1].cookie, "");
    EXPECT_EQ(server->requests[2].cookie, "vmware_soap_session=\"s1\"");
    EXPECT_EQ(server->requests[3].cookie, "vmware_soap_session=\"s1\"");
    EXPECT_EQ(server->requests[2].soap_action, "urn:vim25/8.0.2.0");
}

TEST(Session, AWrongPasswordIsTriedOnce) {
    auto server = std::make_shared<FakeServer>();
    server->only("Login", [](const auto&) { return FakeServer::fault("InvalidLogin"); });
    const auto error = error_of([&] { open_session(server); });
    EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
    EXPECT_EQ(server->count("Login"), 1U);
}

TEST(Session, LogsInAgainAndRepeatsAReadingCall) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    server->only("CurrentTime", [&](const FakeServer::Request& request) {
        return request.cookie == "vmware_soap_session=\"s1\"" ? FakeServer::fault("NotAuthenticated")
                                                              : FakeServer::returnval("CurrentTime", "");
    });
    std::vector<std::string> cookies;
    session->on_login([&](const std::string& cookie) { cookies.push_back(cookie); });
    EXPECT_NO_THROW(session->call(reading(), {}));
    EXPECT_EQ(server->count("Login"), 2U);
    EXPECT_EQ(session->generation(), 2U);
    EXPECT_THAT(cookies, ElementsAre("vmware_soap_session=\"s1\"", "vmware_soap_session=\"s2\""));
}

TEST(Session, LogsInAgainButDoesNotRepeatAChangingCall) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    server->on("PowerOnVM_Task", FakeServer::fault("NotAuthenticated"));
    EXPECT_EQ(error_of([&] { session->call(changing(), {}); }).native(), "NotAuthenticated");
    EXPECT_EQ(server->count("PowerOnVM_Task"), 1U);
    EXPECT_EQ(server->count("Login"), 2U);
}

TEST(Session, ManyCallersOfALostSessionLogInOnce) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    server->only("CurrentTime", [&](const FakeServer::Request& request) {
        return request.cookie == "vmware_soap_session=\"s1\"" ? FakeServer::fault("NotAuthenticated")
                                                              : FakeServer::returnval("CurrentTime", "");
    });
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < 8; ++i) {
            callers.emplace_back([&] { session->call(reading(), {}); });
        }
    }
    EXPECT_EQ(server->count("Login"), 2U);
}

TEST(Session, ARefusedLoginIsNeverRepeated) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    server->only("CurrentTime", [](const auto&) { return FakeServer::fault("NotAuthenticated"); });
    server->only("Login", [](const auto&) { return FakeServer::fault("InvalidLogin"); });
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(error_of([&] { session->call(reading(), {}); }).native(), "InvalidLogin");
    }
    EXPECT_EQ(server->count("Login"), 2U);
}

TEST(Session, ResendsReadingCallsAfterLostAnswersAnd503) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    server->actions["CurrentTime"].clear();
    server->on("CurrentTime", [](const auto&) -> http::Response { throw lost_answer(); });
    server->on("CurrentTime", FakeServer::response(503, "<html/>"));
    server->on("CurrentTime", FakeServer::returnval("CurrentTime", ""));
    EXPECT_NO_THROW(session->call(reading(), {}));
    EXPECT_EQ(server->count("CurrentTime"), 3U);
}

TEST(Session, ResendsAChangingCallOnlyWhenItNeverLeft) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    server->on("PowerOnVM_Task", [](const auto&) -> http::Response { throw not_sent(); });
    server->on("PowerOnVM_Task", FakeServer::response(503, ""));
    server->on("PowerOnVM_Task", [](const auto&) -> http::Response { throw lost_answer(); });
    const auto error = error_of([&] { session->call(changing(), {}); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_EQ(server->count("PowerOnVM_Task"), 3U);
}

TEST(Session, OtherStatusesAreToldAndNotRepeated) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    for (const auto& [status, code] : {std::pair(404, ErrorCode::external), std::pair(403, ErrorCode::forbidden)}) {
        server->only("CurrentTime", [status = status](const auto&) { return FakeServer::response(status, "<html/>"); });
        const auto before = server->count("CurrentTime");
        EXPECT_EQ(error_of([&] { session->call(reading(), {}); }).code(), code);
        EXPECT_EQ(server->count("CurrentTime"), before + 1);
    }
}

TEST(Session, RenewLogsOutTheOldSession) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    session->renew({});
    EXPECT_EQ(server->count("Logout"), 1U);
    EXPECT_EQ(session->cookie(), "vmware_soap_session=\"s2\"");
}

TEST(ApiVersion, IsTheHighestThatWasTestedOtherwiseTheLowest) {
    const auto document = [](const std::string& current, const std::string& prior) {
        return "<namespaces><namespace><name>urn:other</name><version>9.9</version></"
               "namespace><namespace><name>urn:vim25</name><version>" +
               current + "</version><priorVersions>" + prior + "</priorVersions></namespace></namespaces>";
    };
    EXPECT_EQ(choose_api_version(document("8.0.1.0", "<version>8.0.0.0</version><version>7.0</version>")), "8.0.1.0");
    EXPECT_EQ(choose_api_version(document("9.0.0.0", "<version>8.0.3.0</version><version>6.7.3</version>")), "8.0.3.0");
    EXPECT_EQ(choose_api_version(document("6.5", "<version>6.0</version><version>5.5</version>")), "6.5");
    EXPECT_EQ(choose_api_version(document("9.1", "<version>9.0</version>")), "9.0");
    EXPECT_EQ(error_of([] { choose_api_version("<html>nothing</html>"); }).code(), ErrorCode::external);
}

http::Response page(const std::string& ids, const std::string& token) {
    std::string content = "<returnval>";
    if (!token.empty()) {
        content += "<token>" + token + "</token>";
    }
    for (const char id : ids) {
        content += std::string("<objects><obj type=\"VirtualMachine\">") + id +
                   "</obj><propSet><name>name</name><val xsi:type=\"xsd:string\">n</val></propSet></objects>";
    }
    return FakeServer::returnval("R", content + "</returnval>");
}

std::string ids_of(const std::vector<ObjectProperties>& objects) {
    std::string ids;
    for (const auto& object : objects) {
        ids += object.object.id;
    }
    return ids;
}

class Inventory : public testing::Test {
  protected:
    Inventory() {
        server->on("CreateContainerView",
                   FakeServer::returnval("C", "<returnval type=\"ContainerView\">view</returnval>"));
        server->on("DestroyView", FakeServer::returnval("D", ""));
    }
    std::string read(Session& session) {
        return ids_of(read_inventory(session, {"VirtualMachine"}, {{"VirtualMachine", {"name"}}}, {}));
    }
    std::shared_ptr<FakeServer> server = std::make_shared<FakeServer>();
};

TEST_F(Inventory, IsReadPageByPage) {
    const auto session = open_session(server);
    server->on("RetrievePropertiesEx", page("ab", "1"));
    server->on("ContinueRetrievePropertiesEx", page("cd", "2"));
    server->on("ContinueRetrievePropertiesEx", page("e", ""));
    EXPECT_EQ(read(*session), "abcde");
    EXPECT_EQ(server->count("DestroyView"), 1U);
}

TEST_F(Inventory, StartsAgainWhenTheTokenDiedWithTheSession) {
    const auto session = open_session(server);
    server->on("RetrievePropertiesEx", page("ab", "1"));
    server->on("ContinueRetrievePropertiesEx", FakeServer::fault("NotAuthenticated"));
    server->on("ContinueRetrievePropertiesEx", page("c", ""));
    EXPECT_EQ(read(*session), "abc");
    EXPECT_EQ(server->count("CreateContainerView"), 2U);
}

TEST_F(Inventory, AnEmptyOneIsEmpty) {
    const auto session = open_session(server);
    server->on("RetrievePropertiesEx", FakeServer::returnval("RetrievePropertiesEx", ""));
    EXPECT_EQ(read(*session), "");
}

TEST_F(Inventory, DoesNotRestartForEver) {
    const auto session = open_session(server);
    server->on("RetrievePropertiesEx", page("ab", "1"));
    server->on("ContinueRetrievePropertiesEx", FakeServer::fault("NotAuthenticated"));
    EXPECT_EQ(error_of([&] { read(*session); }).native(), "NotAuthenticated");
}

}  // namespace
}  // namespace mk::vsphere

#include "http/api_client.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "http/server.hpp"
#include "unit/http/raw_peer.hpp"

namespace mk::http {
namespace {

using testing::RawConnection;
using testing::ScriptedPeer;

/// The service under the client: a real server with a router.
class ApiClientTest : public ::testing::Test {
  protected:
    ApiClientTest() {
        router_.add("GET", "/things/{id}", [](const ServerRequest& request) {
            return json_response({{"id", request.params.at("id")}, {"by", request.principal}});
        });
        router_.add("POST", "/things", [](const ServerRequest& request) { return json_response(request.json(), 201); });
        router_.add("PUT", "/things/{id}", [](const ServerRequest& request) { return json_response(request.json()); });
        router_.add("DELETE", "/things/{id}", [](const ServerRequest&) { return ServerResponse{.status = 204}; });
        router_.add("GET", "/broken", [](const ServerRequest&) -> ServerResponse {
            throw Error(
                ErrorCode::exhausted, "the staging folder is full",
                {.consequence = "The last recovery point is unchanged.", .remedy = "Free 4 GiB.", .retry_safe = true})
                .with_native("ENOSPC");
        });
    }

    ApiClient client(const std::string& token = "good") const {
        return ApiClient("the Volume Daemon", "http://127.0.0.1:" + std::to_string(server_.port()), Secret(token));
    }

    Router router_{[](std::string_view token) -> std::string {
        if (token != "good") {
            throw Error(ErrorCode::unauthenticated, "the token is unknown");
        }
        return "tester";
    }};
    Server server_{{}, [this](const ServerRequest& request) { return router_.handle(request); }};
};

template <class Call>
Error error_of(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "the call succeeded";
    return Error(ErrorCode::internal, "");
}

ScriptedPeer::Script answers(const std::string& answer) {
    return [answer](RawConnection& connection) {
        connection.read_message();
        connection.send(answer);
    };
}

TEST_F(ApiClientTest, SpeaksJsonBothWays) {
    auto api = client();

    EXPECT_EQ(api.get("/things/7"), (Json{{"id", "7"}, {"by", "tester"}}));
    EXPECT_EQ(api.post("/things", {{"name", "x"}}), (Json{{"name", "x"}}));
    EXPECT_EQ(api.put("/things/7", {{"name", "y"}}), (Json{{"name", "y"}}));
    EXPECT_TRUE(api.remove("/things/7").is_null());
}

TEST_F(ApiClientTest, TurnsAProblemBackIntoTheError) {
    auto api = client();

    const auto error = error_of([&] { api.get("/broken"); });

    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_EQ(error.cause(), "the staging folder is full");
    EXPECT_EQ(error.advice().consequence, "The last recovery point is unchanged.");
    EXPECT_EQ(error.advice().remedy, "Free 4 GiB.");
    EXPECT_TRUE(error.advice().retry_safe);
    EXPECT_EQ(error.native(), "ENOSPC");
}

TEST_F(ApiClientTest, TellsRefusalsApart) {
    auto api = client();
    auto stranger = client("bad");

    EXPECT_EQ(error_of([&] { api.get("/nothing"); }).code(), ErrorCode::not_found);
    EXPECT_EQ(error_of([&] { api.post("/things", Json::array()); }).code(), ErrorCode::invalid);
    EXPECT_EQ(error_of([&] { stranger.get("/things/7"); }).code(), ErrorCode::unauthenticated);
}

TEST_F(ApiClientTest, NamesThePeerThatCannotBeReached) {
    auto api = client();
    const auto address = "http://127.0.0.1:" + std::to_string(server_.port());
    server_.stop();

    const auto error = error_of([&] { api.get("/things/7"); });

    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("the Volume Daemon at " + address), std::string::npos) << error.cause();
    EXPECT_NE(error.advice().remedy.find("the Volume Daemon"), std::string::npos);
    EXPECT_TRUE(error.advice().retry_safe);
}

TEST_F(ApiClientTest, KeepsTheTokenOutOfErrors) {
    auto api = client("very-secret");

    EXPECT_EQ(error_of([&] { api.get("/things/7"); }).full_text().find("very-secret"), std::string::npos);
}

TEST(ApiClient, TakesForeignAnswersAsWhatTheirStatusSays) {
    const std::vector<std::pair<std::string, ErrorCode>> table = {
        {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>", ErrorCode::unavailable},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n[]", ErrorCode::not_found},
        {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ErrorCode::external},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", ErrorCode::external},
        {"HTTP/1.1 409 Conflict\r\nContent-Length: 31\r\n\r\n{\"detail\":\"why\",\"code\":\"novel\"}",
         ErrorCode::conflict},
        {"HTTP/1.1 409 Conflict\r\nContent-Length: 12\r\n\r\n{\"detail\":17}", ErrorCode::conflict},
        {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", ErrorCode::external},
    };
    for (const auto& [answer, code] : table) {
        ScriptedPeer peer(answers(answer));
        ApiClient api("the peer", peer.url(), Secret("t"));
        EXPECT_EQ(error_of([&] { api.get("/"); }).code(), code) << answer;
    }
}

TEST(ApiClient, CanBeStopped) {
    std::stop_source stop;
    ScriptedPeer peer([&](RawConnection& connection) {
        connection.read_message();
        stop.request_stop();
        connection.read_to_end();
    });
    ApiClient api("the peer", peer.url(), Secret("t"));

    EXPECT_EQ(error_of([&] { api.get("/", stop.get_token()); }).code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace mk::http

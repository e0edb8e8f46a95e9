// Services at a unix socket: reached like any other, and named by their path when something is wrong.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "http/api_client.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "unit/http/raw_peer.hpp"

namespace mk::http {
namespace {

using mk::test::error_of;
using testing::RawConnection;
using testing::ScriptedPeer;

class UnixSocketTest : public ::testing::Test {
  protected:
    ApiClient client() const { return ApiClient("the VMA", "unix:" + path_, Secret("t")); }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "vma.sock";
};

TEST_F(UnixSocketTest, CarriesRequestAndAnswer) {
    std::string request;
    ScriptedPeer peer(path_, [&](RawConnection& connection) {
        request = connection.read_message();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    });

    EXPECT_EQ(client().post("/api/v1/discover", {{"b", 2}}), (Json{{"a", 1}}));
    peer.stop();
    EXPECT_TRUE(request.starts_with("POST /api/v1/discover HTTP/1.1\r\nHost: localhost\r\n")) << request;
    EXPECT_TRUE(request.ends_with("\r\n\r\n{\"b\":2}")) << request;
}

TEST_F(UnixSocketTest, IsNeverAskedThroughAProxy) {
    ::setenv("http_proxy", "http://127.0.0.1:1", 1);
    ScriptedPeer peer(path_, [](RawConnection& connection) {
        connection.read_message();
        connection.send("HTTP/1.1 204 No Content\r\n\r\n");
    });

    EXPECT_TRUE(client().get("/health").is_null());
    ::unsetenv("http_proxy");
}

TEST_F(UnixSocketTest, NobodyThereIsUnavailableByPath) {
    const auto error = error_of([&] { client().get("/health"); });

    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("the VMA at unix:" + path_), std::string::npos) << error.cause();
    EXPECT_NE(error.cause().find("No such file"), std::string::npos) << error.cause();
    EXPECT_EQ(error.cause().find("localhost"), std::string::npos) << error.cause();
    EXPECT_TRUE(error.advice().retry_safe);
}

TEST_F(UnixSocketTest, APeerThatHangsUpIsNamedByPath) {
    ScriptedPeer peer(path_, [](RawConnection& connection) { connection.read_message(); });

    const auto error = error_of([&] { client().get("/health"); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("the socket " + path_), std::string::npos) << error.cause();
}

TEST_F(UnixSocketTest, APathThatIsTooLongIsSaidSo) {
    path_ = folder_ / std::string(120, 'x');

    const auto error = error_of([&] { client().get("/health"); });
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.cause().find(path_), std::string::npos);
}

}  // namespace
}  // namespace mk::http

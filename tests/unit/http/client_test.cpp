#include "http/client.hpp"

#include <atomic>
#include <latch>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "unit/http/raw_peer.hpp"

namespace mk::http {
namespace {

using testing::RawConnection;
using testing::ScriptedPeer;
using namespace std::chrono_literals;

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Request get(const std::string& url) {
    return {.url = url};
}

Error error_of(Client& client, const Request& request, const std::stop_token& stop = {}) {
    try {
        static_cast<void>(client.send(request, stop));
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "the call succeeded";
    return Error(ErrorCode::internal, "");
}

/// Answers one request per connection and keeps what it got.
struct Recorder {
    explicit Recorder(std::string answer_in) : answer(std::move(answer_in)) {}
    std::string answer;
    std::string request;
    ScriptedPeer peer{[this](RawConnection& connection) {
        request = connection.read_message();
        connection.send(answer);
    }};
};

TEST(Client, GivesStatusHeadersCookiesAndBody) {
    Recorder recorder(
        "HTTP/1.1 404 Not Found\r\nX-Thing: first\r\nX-THING:  second \r\nSet-Cookie: a=\"quoted value\"; Path=/\r\n"
        "Set-Cookie: b=2; Secure\r\nContent-Length: 4\r\n\r\nbody");
    Client client;

    const auto response = client.send(get(recorder.peer.url()));

    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.headers.at("x-thing"), "second");
    EXPECT_EQ(response.cookies, (std::vector<std::string>{"a=\"quoted value\"; Path=/", "b=2; Secure"}));
    EXPECT_EQ(response.body, "body");
}

TEST(Client, SendsMethodHeadersAndBody) {
    Recorder recorder{std::string(ok)};
    Client client;

    client.send({.method = "PUT",
                 .url = recorder.peer.url() + "/a?b=c",
                 .headers = {{"X-One", "1"}, {"X-Empty", ""}, {"Content-Type", "text/plain"}},
                 .body = "payload"});
    recorder.peer.stop();

    EXPECT_TRUE(recorder.request.starts_with("PUT /a?b=c HTTP/1.1\r\n")) << recorder.request;
    for (const auto* part :
         {"\r\nX-One: 1\r\n", "\r\nX-Empty:\r\n", "\r\nContent-Type: text/plain\r\n", "\r\n\r\npayload"}) {
        EXPECT_NE(recorder.request.find(part), std::string::npos) << part;
    }
    EXPECT_EQ(recorder.request.find("Expect:"), std::string::npos);
}

TEST(Client, RefusesHeadersWithLineBreaks) {
    Client client;
    for (const auto& [name, value] : {std::pair{"X", "1\r\nY: 2"}, {"X\nY", "1"}}) {
        auto request = get("http://127.0.0.1:1");
        request.headers.emplace_back(name, value);
        EXPECT_EQ(error_of(client, request).code(), ErrorCode::invalid);
    }
}

TEST(Client, FollowsNoRedirect) {
    Recorder recorder("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    Client client;

    EXPECT_EQ(client.send(get(recorder.peer.url())).status, 302);
}

TEST(Client, SpeaksOnlyHttp) {
    Client client;
    for (const auto* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "", "http://", "not a url"}) {
        EXPECT_EQ(error_of(client, get(url)).code(), ErrorCode::invalid) << url;
    }
}

TEST(Client, ReportsARefusedConnectionWithoutTheQuery) {
    std::uint16_t port = 0;
    {
        ScriptedPeer gone([](RawConnection&) {});
        port = gone.port();
    }
    Client client;

    const auto error =
        error_of(client, get("http://user:pw@127.0.0.1:" + std::to_string(port) + "/p?signature=secret"));

    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("127.0.0.1:" + std::to_string(port)), std::string::npos) << error.cause();
    for (const auto* secret : {"secret", "pw@", "/p"}) {
        EXPECT_EQ(error.full_text().find(secret), std::string::npos) << error.full_text();
    }
    EXPECT_TRUE(error.advice().retry_safe) << "nothing was sent";
}

TEST(Client, ReportsAnEmptyAnswerAsUnavailable) {
    ScriptedPeer peer([](RawConnection& connection) { connection.read_message(); });
    Client client;

    const auto error = error_of(client, get(peer.url()));

    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_FALSE(error.advice().retry_safe) << "it was sent";
}

TEST(Client, ReportsAResetAsUnavailable) {
    ScriptedPeer peer([](RawConnection& connection) {
        connection.read_message();
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(connection.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    });
    Client client;

    EXPECT_EQ(error_of(client, get(peer.url())).code(), ErrorCode::unavailable);
}

TEST(Client, ReportsATruncatedBodyAsUnavailable) {
    Recorder recorder("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    Client client;

    EXPECT_EQ(error_of(client, get(recorder.peer.url())).code(), ErrorCode::unavailable);
}

TEST(Client, ReportsAnAnswerThatIsNotHttp) {
    Recorder recorder("SSH-2.0-OpenSSH_9.2\r\n");
    Client client;

    EXPECT_EQ(error_of(client, get(recorder.peer.url())).code(), ErrorCode::external);
}

TEST(Client, GivesUpAfterTheLimit) {
    ScriptedPeer peer([](RawConnection& connection) {
        connection.read_message();
        connection.read_to_end();
    });
    Client client;
    auto request = get(peer.url());
    request.limit = 50ms;

    EXPECT_EQ(error_of(client, request).code(), ErrorCode::timeout);
}

TEST(Client, StopsWhileItWaits) {
    std::stop_source stop;
    ScriptedPeer peer([&](RawConnection& connection) {
        connection.read_message();
        stop.request_stop();
        connection.read_to_end();  // ends when the client lets go of the connection
    });
    Client client;

    EXPECT_EQ(error_of(client, get(peer.url()), stop.get_token()).code(), ErrorCode::cancelled);
}

TEST(Client, DoesNotBeginWhenStoppedBefore) {
    std::atomic<int> connections = 0;
    ScriptedPeer peer([&](RawConnection&) { ++connections; });
    std::stop_source stop;
    stop.request_stop();
    Client client;

    EXPECT_EQ(error_of(client, get(peer.url()), stop.get_token()).code(), ErrorCode::cancelled);
    peer.stop();
    EXPECT_EQ(connections, 0);
}

TEST(Client, RefusesAnAnswerBeyondItsLimit) {
    Recorder exact("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    Client client;
    auto request = get(exact.peer.url());
    request.body_limit = 10;
    EXPECT_EQ(client.send(request).body, "0123456789");

    Recorder larger("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
    request.url = larger.peer.url();
    EXPECT_EQ(error_of(client, request).code(), ErrorCode::external);
}

TEST(Client, KeepsItsConnection) {
    std::atomic<int> connections = 0;
    ScriptedPeer peer([&](RawConnection& connection) {
        ++connections;
        while (!connection.read_message().empty()) {
            connection.send(ok);
        }
    });
    {
        Client client;
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(client.send({.method = "POST", .url = peer.url(), .body = "x"}).body, "ok");
        }
    }
    peer.stop();
    EXPECT_EQ(connections, 1);
}

/// Answers the first request of its first connection, then breaks that connection after having read the second request.
struct BreakingPeer {
    std::atomic<int> requests = 0;
    ScriptedPeer peer{[this, is_first = true](RawConnection& connection) mutable {
        for (int i = 0; i < (is_first ? 2 : 1); ++i) {
            if (connection.read_message().empty()) {
                return;
            }
            ++requests;
            if (!is_first || i == 0) {
                connection.send(ok);
            }
        }
        is_first = false;
    }};
};

TEST(Client, NeverSendsAPostTwice) {
    BreakingPeer breaking;
    Client client;
    const Request post{.method = "POST", .url = breaking.peer.url(), .body = "create"};
    client.send(post);

    const auto error = error_of(client, post);
    breaking.peer.stop();

    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_EQ(breaking.requests, 2);
}

TEST(Client, NeverSendsAPostWithoutBodyTwice) {
    BreakingPeer breaking;
    Client client;
    client.send(get(breaking.peer.url()));
    // Needs a connection of its own, which the peer serves only after the first one has gone.
    const Request post{.method = "POST", .url = breaking.peer.url(), .body = {}, .limit = 100ms};

    EXPECT_EQ(error_of(client, post).code(), ErrorCode::timeout);
}

TEST(Client, NeverSendsTwiceWhatMayBeSentOnce) {
    BreakingPeer breaking;
    Client client;
    client.send(get(breaking.peer.url()));
    auto request = get(breaking.peer.url());
    request.send_once = true;
    request.limit = 100ms;

    EXPECT_EQ(error_of(client, request).code(), ErrorCode::timeout) << "waits for a fresh connection";
}

TEST(Client, SendsCookiesBackUntilForgotten) {
    std::vector<std::string> requests;
    ScriptedPeer peer([&](RawConnection& connection) {
        for (auto request = connection.read_message(); !request.empty(); request = connection.read_message()) {
            requests.push_back(request);
            connection.send("HTTP/1.1 200 OK\r\nSet-Cookie: session=\"q-1\"; Path=/\r\nContent-Length: 0\r\n\r\n");
        }
    });
    {
        Client client;
        auto own = get(peer.url());
        own.headers = {{"Cookie", "mine=1"}};
        auto none = get(peer.url());
        none.headers = {{"cookie", ""}};
        client.send(own);
        client.send(get(peer.url()));
        client.send(get(peer.url()));
        client.send(own);
        client.send(none);
        client.forget_cookies();
        client.send(get(peer.url()));
    }
    peer.stop();

    const std::vector<std::string> expected = {"Cookie: mine=1\r\n", "", "Cookie: session=\"q-1\"\r\n",
                                               "Cookie: mine=1\r\n", "", ""};
    ASSERT_EQ(requests.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto at = requests[i].find("ookie:");
        const auto line =
            at == std::string::npos ? "" : requests[i].substr(at - 1, requests[i].find('\n', at) - at + 2);
        EXPECT_EQ(line, expected[i]) << "request " << i;
    }
}

TEST(Client, WorksAfterBeingMoved) {
    Recorder recorder{std::string(ok)};
    Client first;
    Client second(std::move(first));

    EXPECT_EQ(second.send(get(recorder.peer.url())).body, "ok");
}

TEST(UrlEncode, LeavesOnlyUnreservedCharacters) {
    EXPECT_EQ(url_encode(""), "");
    EXPECT_EQ(url_encode("AZaz09-._~"), "AZaz09-._~");
    EXPECT_EQ(url_encode(" /?&=+%*"), "%20%2F%3F%26%3D%2B%25%2A");
    EXPECT_EQ(url_encode("\xC3\xA9"), "%C3%A9");
}

}  // namespace
}  // namespace mk::http

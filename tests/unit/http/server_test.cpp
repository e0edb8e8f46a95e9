#include "http/server.hpp"

#include <atomic>
#include <future>
#include <latch>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "http/client.hpp"
#include "unit/http/raw_peer.hpp"

namespace mk::http {
namespace {

using testing::RawConnection;
using namespace std::chrono_literals;

ServerResponse text_response(std::string text) {
    return {.status = 200, .content_type = "text/plain", .body = std::move(text)};
}

ServerResponse echo(const ServerRequest& request) {
    return text_response(request.method + " " + request.path + " " + request.body);
}

constexpr std::string_view get = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

std::string post_head(std::size_t size) {
    return "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
}

std::string url_of(const Server& server) {
    return "http://127.0.0.1:" + std::to_string(server.port()) + "/x";
}

/// A handler that says when it runs and waits until it is let go.
class Gate {
  public:
    ServerResponse operator()(const ServerRequest& request) {
        entered_.count_down();
        leave_.wait();
        return text_response("let go " + request.path);
    }
    void await_entry() { entered_.wait(); }
    void open() { leave_.count_down(); }

  private:
    std::latch entered_{1};
    std::latch leave_{1};
};

TEST(Server, EchoesToOurClient) {
    Server server({}, echo);
    Client client;

    const auto response = client.send({.method = "POST", .url = url_of(server), .body = "hello"});

    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "POST /x hello");
    EXPECT_EQ(response.headers.at("content-type"), "text/plain");
    EXPECT_EQ(response.headers.at("cache-control"), "no-store");
}

TEST(Server, CarriesBodiesOfAwkwardSizesBothWays) {
    Server server({}, [](const ServerRequest& request) { return text_response(request.body); });
    Client client;
    for (const std::size_t size : {0UL, 1UL, 8191UL, 8192UL, 8193UL, 65536UL, 1024UL * 1024UL}) {
        std::string body(size, '\0');
        for (std::size_t i = 0; i < size; ++i) {
            body[i] = static_cast<char>(i * 7);
        }
        EXPECT_EQ(client.send({.method = "PUT", .url = url_of(server), .body = body}).body, body) << size;
    }
}

TEST(Server, KeepsTheConnectionForTheNextRequest) {
    Server server({}, echo);
    RawConnection connection(server.port());
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(connection.send(get));
        const auto answer = connection.read_message();
        EXPECT_NE(answer.find("GET /x"), std::string::npos);
        EXPECT_NE(answer.find("Connection: keep-alive"), std::string::npos);
    }
}

TEST(Server, ClosesWhenTheClientWantsIt) {
    Server server({}, echo);
    for (const auto* request : {"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET /x HTTP/1.0\r\n\r\n"}) {
        RawConnection connection(server.port());
        ASSERT_TRUE(connection.send(request));
        EXPECT_NE(connection.read_to_end().find("Connection: close"), std::string::npos);
    }
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
    Server server({}, echo);
    RawConnection connection(server.port());
    ASSERT_TRUE(connection.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"));

    EXPECT_TRUE(connection.read_message().ends_with("GET /1 "));
    EXPECT_TRUE(connection.read_message().ends_with("GET /2 "));
}

TEST(Server, AnswersHeadWithoutABody) {
    Server server({}, [](const ServerRequest&) { return text_response("four"); });
    RawConnection connection(server.port());
    ASSERT_TRUE(connection.send("HEAD /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));

    const auto answer = connection.read_to_end();

    EXPECT_NE(answer.find("Content-Length: 4\r\n"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST(Server, InvitesTheBodyOfAClientThatWaits) {
    Server server({}, echo);
    RawConnection connection(server.port());
    ASSERT_TRUE(connection.send("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_EQ(connection.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");

    ASSERT_TRUE(connection.send("body"));

    EXPECT_TRUE(connection.read_message().ends_with("PUT /x body"));
}

TEST(Server, EchoesTheRequestIdOrMakesOne) {
    Server server({}, [](const ServerRequest& request) { return text_response(request.request_id); });
    Client client;

    const auto given = client.send({.url = url_of(server), .headers = {{"X-Request-Id", "abc-1"}}, .body = {}});
    const auto made = client.send({.url = url_of(server)});

    EXPECT_EQ(given.headers.at("x-request-id"), "abc-1");
    EXPECT_EQ(given.body, "abc-1");
    EXPECT_EQ(made.headers.at("x-request-id"), made.body);
    EXPECT_FALSE(made.body.empty());
}

TEST(Server, LeavesOutHeadersWithLineBreaks) {
    Server server({}, [](const ServerRequest&) {
        auto response = text_response("");
        response.headers = {{"X-Good", "1"}, {"X-Evil", "1\r\nSet-Cookie: stolen=1"}};
        return response;
    });
    Client client;

    const auto response = client.send({.url = url_of(server)});

    EXPECT_EQ(response.headers.at("x-good"), "1");
    EXPECT_TRUE(response.cookies.empty());
}

TEST(Server, SurvivesAThrowingHandler) {
    Server server({}, [](const ServerRequest&) -> ServerResponse { throw std::runtime_error("hunter2"); });
    Client client;
    for (int i = 0; i < 2; ++i) {
        const auto response = client.send({.url = url_of(server)});
        EXPECT_EQ(response.status, 500);
        EXPECT_EQ(response.body.find("hunter2"), std::string::npos);
    }
}

TEST(Server, RefusesALargeBodyWithAnAnswerThatArrives) {
    std::atomic<int> calls = 0;
    Server server({}, [&](const ServerRequest&) {
        ++calls;
        return text_response("");
    });
    Client client;

    const auto response =
        client.send({.method = "POST", .url = url_of(server), .body = std::string(4 * 1024 * 1024, 'x')});

    EXPECT_EQ(response.status, 413);
    EXPECT_EQ(json::parse(response.body).at("code"), "invalid");
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(client.send({.url = url_of(server)}).status, 200) << "the client can go on";
}

TEST(Server, RefusesALargeHeader) {
    Server server({}, echo);
    RawConnection connection(server.port());
    connection.send("GET /x HTTP/1.1\r\nHost: h\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n");

    EXPECT_TRUE(connection.read_to_end().starts_with("HTTP/1.1 431 "));
}

TEST(Server, AnswersNonsenseAndCloses) {
    Server server({}, echo);
    RawConnection connection(server.port());
    connection.send("\x16\x03\x01 this is not HTTP\r\n\r\n");

    EXPECT_TRUE(connection.read_to_end().starts_with("HTTP/1.1 400 "));
}

TEST(Server, ServesManyConnectionsBesideEachOther) {
    constexpr int count = 200;
    Server server({}, echo);
    std::vector<RawConnection> connections;
    for (int i = 0; i < count; ++i) {
        connections.emplace_back(server.port());
    }
    for (auto& connection : connections) {
        ASSERT_TRUE(connection.send(get));
    }
    for (auto& connection : connections) {
        EXPECT_TRUE(connection.read_message().starts_with("HTTP/1.1 200 "));
    }
}

TEST(Server, ServesClientsOnManyThreads) {
    Server server({}, [](const ServerRequest& request) { return text_response(request.body); });
    std::atomic<int> good = 0;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 8; ++t) {
            threads.emplace_back([&, t] {
                Client client;
                for (int i = 0; i < 25; ++i) {
                    const auto body = std::to_string(t * 1000 + i);
                    good += client.send({.method = "POST", .url = url_of(server), .body = body}).body == body;
                }
            });
        }
    }
    EXPECT_EQ(good, 200);
}

TEST(Server, ServesOthersWhileClientsDrip) {
    Server server({.workers = 1}, echo);
    std::vector<RawConnection> dripping;
    for (int i = 0; i < 50; ++i) {
        dripping.emplace_back(server.port());
        ASSERT_TRUE(dripping.back().send(i % 2 == 0 ? "GET /x HT" : post_head(1000) + "x"));
    }
    Client client;

    EXPECT_EQ(client.send({.url = url_of(server)}).status, 200);
    for (const auto& connection : dripping) {
        EXPECT_TRUE(connection.send("x")) << "still open";
    }
}

TEST(Server, EndsRequestsThatDoNotArriveInTime) {
    const ServerDeadlines deadlines{.header = 50ms, .body = 50ms};
    Server server({.deadlines = deadlines}, echo);
    for (const auto& part : {std::string("GET /x HTTP/1.1\r\nHos"), post_head(10) + "12345"}) {
        RawConnection connection(server.port());
        ASSERT_TRUE(connection.send(part));
        EXPECT_TRUE(connection.read_to_end().starts_with("HTTP/1.1 408 ")) << part;
    }
}

TEST(Server, DoesNotRestartADeadlineForEachByte) {
    // The header limit is out of reach, so that only the deadline can end this.
    Server server({.header_limit = 1024 * 1024 * 1024, .deadlines = {.header = 100ms, .linger = 10ms}}, echo);
    RawConnection connection(server.port());
    std::jthread dripper([&connection](const std::stop_token& stop) {
        while (!stop.stop_requested() && connection.send("x")) {
            std::this_thread::yield();
        }
    });

    EXPECT_TRUE(connection.read_to_end().starts_with("HTTP/1.1 408 "));
}

TEST(Server, ClosesSilentAndIdleConnections) {
    Server server({.deadlines = {.header = 50ms, .idle = 50ms}}, echo);
    RawConnection silent(server.port());
    EXPECT_TRUE(silent.is_closed_by_peer());

    RawConnection idle(server.port());
    ASSERT_TRUE(idle.send(get));
    EXPECT_TRUE(idle.read_message().starts_with("HTTP/1.1 200 "));
    EXPECT_TRUE(idle.is_closed_by_peer());
}

TEST(Server, CutsAClientThatDoesNotReadItsAnswer) {
    std::latch entered(1);
    // No socket buffer holds this answer, and stopping waits so long that only the deadline of writing can end it.
    Server server({.slowest_reader = 1024 * 1024 * 1024, .deadlines = {.write = 50ms, .stop = 24h}},
                  [&](const ServerRequest&) {
                      entered.count_down();
                      return text_response(std::string(64 * 1024 * 1024, 'x'));
                  });
    RawConnection connection(server.port());
    ASSERT_TRUE(connection.send(get));
    entered.wait();

    server.stop();

    EXPECT_LT(connection.read_to_end().size(), 64U * 1024 * 1024);
}

TEST(Server, RefusesConnectionsBeyondTheLimit) {
    Server server({.max_connections = 2}, echo);
    RawConnection first(server.port());
    RawConnection second(server.port());
    ASSERT_TRUE(first.send(get));
    ASSERT_TRUE(second.send(get));
    EXPECT_TRUE(first.read_message().starts_with("HTTP/1.1 200 "));
    EXPECT_TRUE(second.read_message().starts_with("HTTP/1.1 200 "));

    RawConnection third(server.port());

    EXPECT_TRUE(third.is_closed_by_peer());
    ASSERT_TRUE(first.send(get));
    EXPECT_TRUE(first.read_message().starts_with("HTTP/1.1 200 "));
}

TEST(Server, AnswersBusyWhenTooManyRequestsWait) {
    std::latch running(1);
    std::latch let_go(1);
    std::once_flag once;
    Server server({.workers = 1, .max_queued = 1}, [&](const ServerRequest&) {
        std::call_once(once, [&] { running.count_down(); });
        let_go.wait();
        return text_response("served");
    });
    RawConnection first(server.port());
    ASSERT_TRUE(first.send(get));
    running.wait();

    // One of these three waits in the queue, the other two are refused at once.
    std::atomic<int> busy = 0;
    std::atomic<int> served = 0;
    std::latch two_busy(2);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&] {
                Client client;
                const auto response = client.send({.url = url_of(server)});
                if (response.status == 503 && response.headers.at("retry-after") == "1") {
                    ++busy;
                    two_busy.count_down();
                }
                served += response.status == 200;
            });
        }
        two_busy.wait();
        let_go.count_down();
    }

    EXPECT_EQ(busy, 2);
    EXPECT_EQ(served, 1);
    EXPECT_TRUE(first.read_message().ends_with("served"));
}

TEST(Server, FinishesTheRequestInFlightWhenItStops) {
    Gate gate;
    Server server({}, std::ref(gate));
    const auto url = url_of(server);
    auto response = std::async(std::launch::async, [&] {
        Client client;
        return client.send({.url = url});
    });
    gate.await_entry();
    RawConnection idle(server.port());

    std::jthread stopper([&] { server.stop(); });
    EXPECT_TRUE(idle.is_closed_by_peer()) << "stopping has begun";
    gate.open();

    const auto answer = response.get();
    EXPECT_EQ(answer.body, "let go /x");
    EXPECT_EQ(answer.headers.at("connection"), "close");
    stopper.join();
    EXPECT_THROW(RawConnection(server.port()), std::runtime_error) << "nobody listens any more";
}

TEST(Server, CutsARequestThatDoesNotEndAndTellsItsHandler) {
    std::latch entered(1);
    std::atomic<bool> told = false;
    Server server({.deadlines = {.stop = 50ms}}, [&](const ServerRequest& request) {
        std::latch stop_requested(1);
        const std::stop_callback callback(request.stop, [&] { stop_requested.count_down(); });
        entered.count_down();
        stop_requested.wait();
        told = true;
        return text_response("too late");
    });
    RawConnection connection(server.port());
    ASSERT_TRUE(connection.send(get));
    entered.wait();

    server.stop();

    EXPECT_TRUE(told);
    EXPECT_TRUE(connection.is_closed_by_peer());
}

TEST(Server, StopsTwiceAndWithoutEverServing) {
    Server server({}, echo);
    server.stop();
    server.stop();
}

TEST(Server, SaysWhyItCannotListen) {
    Server server({}, echo);
    try {
        const Server second({.port = server.port()}, echo);
        ADD_FAILURE() << "two servers on one port";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::conflict);
        EXPECT_NE(error.cause().find(std::to_string(server.port())), std::string::npos);
    }
    for (const auto* address : {"192.0.2.1", "not an address", ""}) {
        try {
            const Server elsewhere({.address = address}, echo);
            ADD_FAILURE() << "listens on " << address;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::invalid) << address;
        }
    }
}

}  // namespace
}  // namespace mk::http

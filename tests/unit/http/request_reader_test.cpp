#include "http/request_reader.hpp"

#include <gtest/gtest.h>

namespace mk::http {
namespace {

using Progress = RequestReader::Progress;

constexpr std::size_t header_limit = 1024;
constexpr std::size_t body_limit = 64;

/// Feeds everything and passes over header_complete.
Progress feed(RequestReader& reader, std::string& input) {
    auto progress = reader.consume(input);
    return progress == Progress::header_complete ? reader.consume(input) : progress;
}

int refusal_of(std::string text) {
    RequestReader reader(header_limit, body_limit);
    return feed(reader, text) == Progress::refused ? reader.refusal().status : 0;
}

TEST(RequestReader, TakesARequestApart) {
    RequestReader reader(header_limit, body_limit);
    std::string input =
        "PUT /a%20b/c?x=1%202&y=a+b&x=3&flag HTTP/1.1\r\nHost: h\r\nX-Thing:  One \r\nX-Request-Id: abc-1\r\n"
        "Content-Length: 4\r\n\r\nbodyGET";

    ASSERT_EQ(feed(reader, input), Progress::complete);

    EXPECT_TRUE(reader.keeps_alive());
    const auto request = reader.take();
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.path, "/a b/c");
    EXPECT_EQ(request.raw_path, "/a%20b/c");
    EXPECT_EQ(request.query, (std::map<std::string, std::string>{{"x", "3"}, {"y", "a b"}, {"flag", ""}}));
    EXPECT_EQ(request.headers.at("x-thing"), "One");
    EXPECT_EQ(request.request_id, "abc-1");
    EXPECT_EQ(request.body, "body");
    EXPECT_EQ(input, "GET") << "the next request stays";
}

TEST(RequestReader, GivesTheSameWhereverTheBytesAreCut) {
    const std::string text =
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        RequestReader reader(header_limit, body_limit);
        auto input = text.substr(0, cut);
        auto progress = feed(reader, input);
        input += text.substr(cut);
        if (progress != Progress::complete) {
            progress = feed(reader, input);
        }
        ASSERT_EQ(progress, Progress::complete) << "cut at " << cut;
        EXPECT_EQ(reader.take().body, "hello world") << "cut at " << cut;
    }
}

TEST(RequestReader, IsReadyForTheNextRequestAfterReset) {
    RequestReader reader(header_limit, body_limit);
    std::string input = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
    ASSERT_EQ(feed(reader, input), Progress::complete);
    reader.reset();

    ASSERT_EQ(feed(reader, input), Progress::complete);

    EXPECT_EQ(reader.take().path, "/2");
}

TEST(RequestReader, AcceptsBodiesUpToTheLimit) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, body_limit - 1, body_limit}) {
        EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                             std::string(size, 'x')),
                  0)
            << size;
    }
}

TEST(RequestReader, RefusesALargerBodyBeforeItArrives) {
    EXPECT_EQ(
        refusal_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body_limit + 1) + "\r\n\r\n"),
        413);
    EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n"), 413);
}

TEST(RequestReader, CountsChunkedBodies) {
    const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(refusal_of(head + "40\r\n" + std::string(64, 'x') + "\r\n1\r\ny\r\n0\r\n\r\n"), 413);
    EXPECT_EQ(refusal_of(head + "ffffffff\r\n"), 413);
    EXPECT_EQ(refusal_of(head + "1;" + std::string(70'000, 'x')), 400);
}

TEST(RequestReader, RefusesAnOverlongHeader) {
    EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(header_limit, 'x') + "\r\n\r\n"), 431);
    EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(header_limit, 'x')), 431)
        << "without waiting for its end";
    EXPECT_EQ(refusal_of("GET /" + std::string(header_limit, 'x')), 431);
}

TEST(RequestReader, RefusesWhatIsAmbiguousOrMalformed) {
    for (const auto* text : {
             "nonsense\r\n\r\n",
             "GET / HTTP/1.1\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
             "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
             "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
             "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n",
             "GET /a% HTTP/1.1\r\nHost: h\r\n\r\n",
             "GET /?a=%g1 HTTP/1.1\r\nHost: h\r\n\r\n",
             "GET relative HTTP/1.1\r\nHost: h\r\n\r\n",
             "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
             "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
             "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         }) {
        EXPECT_EQ(refusal_of(text), 400) << text;
    }
}

TEST(RequestReader, UnderstandsAbsoluteTargets) {
    RequestReader reader(header_limit, body_limit);
    std::string input = "GET http://h:1/x?y=z HTTP/1.1\r\nHost: h\r\n\r\n";

    ASSERT_EQ(feed(reader, input), Progress::complete);

    EXPECT_EQ(reader.take().path, "/x");
}

TEST(RequestReader, ReplacesAHostileRequestId) {
    for (const auto& offered : {std::string("a b"), std::string("x\"y"), std::string(200, 'a')}) {
        RequestReader reader(header_limit, body_limit);
        std::string input = "GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: " + offered + "\r\n\r\n";
        ASSERT_EQ(feed(reader, input), Progress::complete);
        const auto request = reader.take();
        EXPECT_NE(request.request_id, offered);
        EXPECT_FALSE(request.request_id.empty());
    }
}

}  // namespace
}  // namespace mk::http

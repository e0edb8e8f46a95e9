#include "migratekit-engine/digest_client.hpp"

#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "migratekit-engine/target.hpp"

using namespace mk;

namespace {

/// A digest service that says what it is told, one text per question.
class Service {
  public:
    explicit Service(std::vector<std::string> answers) {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        client = os::stream_on(os::Descriptor(ends[0]));
        thread_ = std::jthread([this, fd = ends[1], answers = std::move(answers)] {
            const auto stream = os::stream_on(os::Descriptor(fd));
            for (const std::string& answer : answers) {
                std::string line;
                for (std::byte byte{}; byte != std::byte{'\n'};) {
                    if (stream->read_some(std::span(&byte, 1)) == 0) {
                        return;
                    }
                    line.push_back(static_cast<char>(byte));
                }
                questions.push_back(line);
                stream->write(std::as_bytes(std::span(answer)));
            }
        });
    }
    /// Waits for the service's end.
    void finish() { thread_.join(); }

    std::unique_ptr<os::ByteStream> client;
    std::vector<std::string> questions;

  private:
    std::jthread thread_;
};

std::string answer_of(const std::vector<LeafDigest>& digests) {
    Json list = Json::array();
    for (const LeafDigest& digest : digests) {
        list.push_back(to_hex(digest));
    }
    return json::dump({{"digests", std::move(list)}}) + "\n";
}

ErrorCode failure(const std::string& answer) {
    Service service({answer});
    DigestClient client("export", std::move(service.client));
    try {
        client.leaves({0, leaf_size}, {});
    } catch (const Error& error) {
        return error.code();
    }
    ADD_FAILURE() << "believed: " << answer;
    return ErrorCode::internal;
}

}  // namespace

TEST(DigestClient, AsksForRunsAndTakesTheAnswers) {
    const std::vector<LeafDigest> three{zero_leaf_digest(4096), zero_leaf_digest(leaf_size), zero_leaf_digest(8192)};
    Service service({answer_of({three[0]}), answer_of(three)});
    DigestClient client("the export", std::move(service.client));
    EXPECT_EQ(client.leaves({0, 4096}, {}), (std::vector<LeafDigest>{three[0]}));
    EXPECT_EQ(client.leaves({leaf_size - 4096, leaf_size + 12'288}, {}), three);
    service.finish();
    const Json question = json::parse(service.questions.at(1));
    EXPECT_EQ(question.at("export"), "the export");
    EXPECT_EQ(question.at("offset"), leaf_size - 4096);
    EXPECT_EQ(question.at("length"), leaf_size + 12'288);
}

TEST(DigestClient, BelievesNoWrongAnswer) {
    EXPECT_EQ(failure("nonsense\n"), ErrorCode::corrupt);
    EXPECT_EQ(failure("[]\n"), ErrorCode::corrupt);
    EXPECT_EQ(failure("{}\n"), ErrorCode::corrupt);
    EXPECT_EQ(failure("{\"digests\":[]}\n"), ErrorCode::corrupt);
    EXPECT_EQ(failure("{\"digests\":[\"12\"]}\n"), ErrorCode::corrupt);
    EXPECT_EQ(failure(answer_of({zero_leaf_digest(1), zero_leaf_digest(1)})), ErrorCode::corrupt);
    EXPECT_EQ(failure(std::string(100'000, 'x')), ErrorCode::corrupt);
    EXPECT_EQ(failure("{\"digests\":[\"12"), ErrorCode::unavailable) << "cut";
    EXPECT_EQ(failure(json::dump({{"error", {{"code", "not_found"}, {"message", "no such export"}}}}) + "\n"),
              ErrorCode::not_found);
}

TEST(DigestClient, AStopEndsTheWait) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const os::Descriptor silent(ends[1]);
    DigestClient client("export", os::stream_on(os::Descriptor(ends[0])));
    std::stop_source stop;
    const std::jthread stopper([&] { stop.request_stop(); });
    try {
        client.leaves({0, leaf_size}, stop.get_token());
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
}

TEST(Target, TheSessionIsTheExport) {
    EXPECT_EQ(session_of("tunnel:///ws-1"), "ws-1");
    EXPECT_EQ(session_of("nbd+unix:///ws-2?socket=/run/x"), "ws-2");
    EXPECT_TRUE(is_through_tunnel("tunnel:///ws-1"));
    EXPECT_FALSE(is_through_tunnel("nbd://host/ws-1"));
    for (const char* wrong : {"tunnel:///", "tunnel://host/x", "tunnel:///a/b", "http://x", ""}) {
        EXPECT_THROW(session_of(wrong), Error) << wrong;
    }
}

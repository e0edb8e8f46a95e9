#include "target/volumes/digest_service.hpp"

#include <future>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

#include "target/volumes/content_digests.hpp"
#include "unit/target/volumes/memory_backend.hpp"

namespace mk::volumes {
namespace {

using test_support::MemoryBackend;

/// All of it is data, unlike its allocation as the NBD tests want it.
class PlainBackend : public MemoryBackend {
  public:
    using MemoryBackend::MemoryBackend;
    std::vector<ContentExtent> extents(Range range, std::size_t) override { return {{range, false}}; }
};

class DigestServiceTest : public testing::Test {
  protected:
    std::shared_ptr<PlainBackend> backend = std::make_shared<PlainBackend>(40 * MiB + 512);
    ExportRegistry exports;
    DigestService service{exports, [](const Error& error) { return Json{{"message", error.cause()}}; }};
    std::unique_ptr<os::ByteStream> ours;
    std::future<void> served;

    DigestServiceTest() {
        for (std::size_t i = 0; i < backend->content.size(); ++i) {
            backend->content[i] = static_cast<std::byte>(i * 7 >> 9);
        }
        exports.add("session", backend);
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ours = os::stream_on(os::Descriptor(pair[0]));
        served = std::async(std::launch::async,
                            [this, theirs = pair[1]] { service.serve(os::stream_on(os::Descriptor(theirs))); });
    }
    ~DigestServiceTest() override {
        ours.reset();
        served.get();
    }
    void send(const std::string& text) { ours->write(std::as_bytes(std::span(text.data(), text.size()))); }
    std::string line() {
        std::string text;
        for (std::array<std::byte, 1> byte{}; text.empty() || text.back() != '\n'; text += static_cast<char>(byte[0])) {
            ours->read(byte);
        }
        return text;
    }
    Json ask(const Json& question) {
        send(json::dump(question) + "\n");
        return json::parse(line());
    }
    Json ask(Range run) { return ask({{"export", "session"}, {"offset", run.offset}, {"length", run.length}}); }
    Json expected(Range run) const {
        Json digests = Json::array();
        for (std::size_t i = 0; i < leaf_count(run); ++i) {
            const auto leaf = leaf_of(run, i);
            digests.push_back(
                to_hex(leaf_digest(std::span<const std::byte>(backend->content).subspan(leaf.offset, leaf.length))));
        }
        return {{"digests", digests}};
    }
};

TEST_F(DigestServiceTest, TellsTheDigestOfEveryLeafOfARun) {
    for (const Range run : {Range{0, 32 * MiB}, Range{32 * MiB, 8 * MiB + 512}, Range{512, 1}, Range{100, leaf_size},
                            Range{3 * leaf_size - 1, 2}}) {
        EXPECT_EQ(ask(run), expected(run)) << run.offset;
    }
}

TEST_F(DigestServiceTest, RefusesWhatIsNotThereAndAnswersTheNextQuestion) {
    EXPECT_TRUE(ask({{"export", "other"}, {"offset", 0}, {"length", 512}}).contains("error"));
    for (const Range run : {Range{0, 0}, Range{0, 32 * MiB + 1}, Range{40 * MiB, 1024}, Range{~Bytes{0}, 512}}) {
        EXPECT_TRUE(ask(run).contains("error")) << run.offset;
    }
    for (const char* text :
         {"", "{", "[]", "{\"export\":1}", "{\"export\":\"session\",\"offset\":-1,\"length\":512}"}) {
        send(std::string(text) + "\n");
        EXPECT_TRUE(json::parse(line()).contains("error")) << text;
    }
    backend->fail_reads_from = 0;
    EXPECT_TRUE(ask(Range{0, 512}).contains("error"));
    backend->fail_reads_from = ~Bytes{0};
    EXPECT_EQ(ask(Range{0, 512}), expected({0, 512}));
}

TEST_F(DigestServiceTest, KnowsAnExportOnlyWhileItExists) {
    EXPECT_TRUE(ask(Range{0, 512}).contains("digests"));
    exports.remove("session");
    EXPECT_EQ(backend.use_count(), 1) << "nobody holds it";
    EXPECT_TRUE(ask(Range{0, 512}).contains("error"));
}

TEST_F(DigestServiceTest, CutsWhoSendsALineWithoutEnd) {
    try {
        send(std::string(100'000, 'x'));
    } catch (const Error&) {
        // cut while it was sending
    }
    served.wait();
    std::array<std::byte, 1> byte{};
    EXPECT_THROW(ours->read(byte), Error);
}

TEST(ContentDigests, KnownHolesAreNotRead) {
    MemoryBackend backend(4 * MiB);  // says that the first half of everything is a hole
    std::ranges::fill(backend.content, std::byte{3});
    AlignedBuffer buffer(digest_read_size);
    const auto leaves = read_leaf_digests(backend, {0, 2 * leaf_size}, buffer);
    EXPECT_EQ(leaves[0], zero_leaf_digest(leaf_size));
    EXPECT_EQ(leaves[1], leaf_digest(std::span<const std::byte>(backend.content).first(leaf_size)));
}

}  // namespace
}  // namespace mk::volumes

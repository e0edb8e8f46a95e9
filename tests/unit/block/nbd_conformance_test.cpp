// The same cases over our own NBD client and over libnbd, against servers of three kinds: whatever passes here may
// stand in for the other.

#include <functional>

#include <gmock/gmock.h>

#include "block/nbd.hpp"
#include "unit/block/block_io.hpp"
#include "unit/block/libnbd_client.hpp"
#include "unit/block/nbd_server.hpp"

using namespace mk;
using namespace mk::block;
using namespace mk::test;

namespace {

struct Client {
    std::string name;
    std::function<std::unique_ptr<BlockSource>(const std::string&)> open_source;
    std::function<std::unique_ptr<BlockSink>(const std::string&)> open_sink;
};

struct Server {
    std::string name;
    std::string program;
    std::function<std::unique_ptr<NbdServer>(Bytes size)> start;
};

const std::vector<Client>& clients() {
    static const std::vector<Client> all{
        {"ours", [](const std::string& uri) { return open_nbd_source(uri); },
         [](const std::string& uri) { return open_nbd_sink(uri); }},
        {"libnbd", [](const std::string& uri) { return std::make_unique<LibnbdSource>(uri); },
         [](const std::string& uri) { return std::make_unique<LibnbdSink>(uri); }}};
    return all;
}

const std::vector<Server>& servers() {
    static const auto nbdkit = [](const std::vector<std::string>& arguments) {
        return std::make_unique<NbdkitServer>(arguments);
    };
    static const std::vector<Server> all{
        {"memory", "nbdkit", [](Bytes size) { return nbdkit({"memory", std::to_string(size)}); }},
        {"file", "nbdkit", [](Bytes size) { return std::make_unique<NbdkitFileServer>(size); }},
        {"slow", "nbdkit",
         [](Bytes size) {
             return nbdkit({"--filter=delay", "memory", std::to_string(size), "rdelay=3ms", "wdelay=3ms"});
         }},
        {"qemu", "qemu-nbd", [](Bytes size) { return std::make_unique<QemuNbdServer>(size); }}};
    return all;
}

class NbdConformance : public testing::TestWithParam<std::tuple<std::size_t, std::size_t>> {
  protected:
    void SetUp() override {
        if (!os::is_installed(server_kind.program)) {
            GTEST_SKIP() << server_kind.program << " is not installed";
        }
    }
    void start(Bytes size) { server = server_kind.start(size); }
    std::unique_ptr<BlockSource> source() const { return client.open_source(server->uri()); }
    std::unique_ptr<BlockSink> sink() const { return client.open_sink(server->uri()); }

    const Client& client = clients()[std::get<0>(GetParam())];
    const Server& server_kind = servers()[std::get<1>(GetParam())];
    std::unique_ptr<NbdServer> server;
};

TEST_P(NbdConformance, WhatIsWrittenIsRead) {
    start(8 * MiB);
    const auto data = random_bytes(5 * MiB + 512);
    const auto target = sink();
    const auto writer = target->open_channel({});
    write_range(*writer, 512, data);
    writer->flush({});
    EXPECT_TRUE(writer->unanswered().empty());
    EXPECT_EQ(writer->sent(), data.size());
    EXPECT_EQ(read_range(*source(), {512, data.size()}), data);
    EXPECT_EQ(read_range(*source(), {0, 512}), Content(512));
}

TEST_P(NbdConformance, RequestsOfDifferentLengthsInFlight) {
    start(4 * MiB);
    const auto data = random_bytes(4 * MiB);
    {
        const auto writer = sink();
        const auto channel = writer->open_channel({});
        write_range(*channel, 0, data, 512 * KiB);
        channel->drain({});
    }
    const auto reader = source();
    const auto channel = reader->open_channel({});
    Bytes next = 0;
    Bytes seen = 0;
    for (unsigned i = 0; next < data.size() || channel->in_flight() > 0; ++i) {
        if (next < data.size() && channel->in_flight() < 7) {
            const Bytes length = std::min<Bytes>(512 * (1 + i * 37 % 400), data.size() - next);
            channel->request({next, length});
            next += length;
            continue;
        }
        const auto reply = channel->receive({});
        ASSERT_TRUE(std::ranges::equal(reply.data, std::span(data).subspan(reply.range.offset, reply.range.length)));
        seen += reply.range.length;
    }
    EXPECT_EQ(seen, data.size());
}

TEST_P(NbdConformance, ZeroClearsExactlyTheRange) {
    start(4 * MiB);
    auto data = random_bytes(4 * MiB);
    const auto target = sink();
    const auto channel = target->open_channel({});
    write_range(*channel, 0, data);
    channel->drain({});
    for (const Range range : {Range{512, 3 * MiB}, Range{3 * MiB + 1024, 512}, Range{4 * MiB - 512, 512}}) {
        channel->zero(range, {});
        std::fill_n(data.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length, std::byte{0});
    }
    channel->flush({});
    EXPECT_EQ(read_range(*source(), {0, 4 * MiB}), data);
}

TEST_P(NbdConformance, TheEndOfADiskOfOddSize) {
    constexpr Bytes size = 1 * MiB + 512;
    start(size);
    const auto target = sink();
    ASSERT_EQ(target->capacity(), size);
    const auto data = random_bytes(512);
    const auto channel = target->open_channel({});
    channel->write(size - 512, data, {});
    channel->flush({});
    const auto reader = source();
    EXPECT_EQ(reader->capacity(), size);
    EXPECT_EQ(read_range(*reader, {size - 512, 512}), data);
}

TEST_P(NbdConformance, FarOffsets) {
    constexpr Bytes size = 3 * 1024 * GiB;
    start(size);
    const auto data = random_bytes(64 * KiB);
    const auto target = sink();
    const auto channel = target->open_channel({});
    for (const Bytes offset : {4 * GiB - 512, 4 * GiB + 512 * KiB, 2 * 1024 * GiB - 512, size - 64 * KiB}) {
        channel->write(offset, data, {});
        channel->drain({});
        EXPECT_EQ(read_range(*source(), {offset, data.size()}), data) << offset;
    }
}

TEST_P(NbdConformance, LargeAndSmallRequests) {
    start(40 * MiB);
    const auto target = sink();
    const auto channel = target->open_channel({});
    const auto largest = target->max_request();
    EXPECT_EQ(largest, 32 * MiB);
    const auto data = random_bytes(largest);
    channel->write(512, data, {});
    channel->drain({});
    const auto reader = source();
    EXPECT_EQ(read_range(*reader, {512, largest}, largest), data);
    EXPECT_EQ(read_range(*reader, {512, 4096}, 512), Content(data.begin(), data.begin() + 4096));
}

std::string name_of(const testing::TestParamInfo<std::tuple<std::size_t, std::size_t>>& info) {
    return clients()[std::get<0>(info.param)].name + "_" + servers()[std::get<1>(info.param)].name;
}

INSTANTIATE_TEST_SUITE_P(All, NbdConformance,
                         testing::Combine(testing::Range<std::size_t>(0, 2), testing::Range<std::size_t>(0, 4)),
                         name_of);

class NbdErrors : public testing::TestWithParam<std::size_t> {
  protected:
    void SetUp() override {
        if (!os::is_installed("nbdkit")) {
            GTEST_SKIP() << "nbdkit is not installed";
        }
    }
    ~NbdErrors() override { std::filesystem::remove(trigger); }
    /// Fails as long as the trigger file is there.
    NbdkitServer failing(const std::string& kind, const std::string& error) const {
        return NbdkitServer({"--filter=error", "memory", "4M", "error=" + error, "error-" + kind + "-rate=100%",
                             "error-file=" + trigger});
    }
    void fail_from_now() const { std::ofstream(trigger).close(); }
    void fail_no_more() const { std::filesystem::remove(trigger); }

    const Client& client = clients()[GetParam()];
    const std::string trigger = std::filesystem::temp_directory_path() / ("mk-nbd-error-" + random_hex(6));
};

TEST_P(NbdErrors, AFailedReadIsAnAnswerAndTheChannelGoesOn) {
    const auto server = failing("pread", "EIO");
    const auto source = client.open_source(server.uri());
    const auto channel = source->open_channel({});
    fail_from_now();
    channel->request({0, 512});
    channel->request({512, 512});
    EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::external);
    EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::external);
    EXPECT_EQ(channel->in_flight(), 0U);
    fail_no_more();
    EXPECT_EQ(read_range(*channel, {0, 1 * MiB}), Content(1 * MiB));
}

TEST_P(NbdErrors, AFullTargetIsExhausted) {
    const auto server = failing("pwrite", "ENOSPC");
    const auto sink = client.open_sink(server.uri());
    const auto channel = sink->open_channel({});
    channel->write(0, Content(512), {});
    channel->drain({});
    fail_from_now();
    EXPECT_EQ(code_of([&] {
                  channel->write(512, Content(512), {});
                  channel->drain({});
              }),
              ErrorCode::exhausted);
    EXPECT_THAT(channel->unanswered(), testing::ElementsAre(Range{512, 512}));
}

INSTANTIATE_TEST_SUITE_P(All, NbdErrors, testing::Range<std::size_t>(0, 2),
                         [](const auto& chosen) { return clients()[chosen.param].name; });

}  // namespace

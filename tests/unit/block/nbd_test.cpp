// Our NBD endpoints against real servers: what the conformance suite does not compare.

#include "block/nbd.hpp"

#include <latch>
#include <thread>

#include <gmock/gmock.h>

#include "unit/block/block_io.hpp"
#include "unit/block/nbd_server.hpp"

using namespace mk;
using namespace mk::block;
using namespace mk::test;

namespace {

class Nbd : public testing::Test {
  protected:
    void SetUp() override {
        if (!os::is_installed("nbdkit")) {
            GTEST_SKIP() << "nbdkit is not installed";
        }
    }
};

TEST_F(Nbd, EmptyRequestsAreNothing) {
    const NbdkitServer server({"memory", "1M"});
    const auto sink = open_nbd_sink(server.uri());
    const auto channel = sink->open_channel({});
    channel->write(0, {}, {});
    channel->zero({0, 0}, {});
    EXPECT_TRUE(channel->unanswered().empty());
    channel->drain({});
    channel->flush({});
}

TEST_F(Nbd, ZeroIsWrittenWhenTheServerHasNoCommand) {
    const NbdkitServer server({"--filter=nozero", "memory", "4M", "zeromode=none"});
    const auto sink = open_nbd_sink(server.uri());
    auto data = random_bytes(4 * MiB);
    const auto channel = sink->open_channel({});
    write_range(*channel, 0, data);
    channel->drain({});
    channel->zero({512, 3 * MiB}, {});
    channel->drain({});
    std::fill_n(data.begin() + 512, 3 * MiB, std::byte{0});
    EXPECT_EQ(read_range(*open_nbd_source(server.uri()), {0, 4 * MiB}), data);
}

TEST_F(Nbd, TheServersRequestLimitIsHonoured) {
    const NbdkitServer server({"--filter=blocksize-policy", "memory", "4M", "blocksize-minimum=1",
                               "blocksize-preferred=4096", "blocksize-maximum=65536", "blocksize-error-policy=error"});
    const auto sink = open_nbd_sink(server.uri());
    EXPECT_EQ(sink->max_request(), 64 * KiB);
    const auto channel = sink->open_channel({});
    const auto data = random_bytes(1 * MiB + 512);
    write_range(*channel, 0, data);
    channel->zero({2 * MiB, 1 * MiB}, {});
    channel->drain({});
    EXPECT_EQ(read_range(*open_nbd_source(server.uri()), {0, data.size()}), data);
}

TEST_F(Nbd, OurOwnRequestLimitIsHonoured) {
    const NbdkitServer server({"memory", "1M"});
    EXPECT_EQ(open_nbd_sink(server.uri(), {.max_request = 4096})->max_request(), 4096U);
    EXPECT_EQ(open_nbd_source(server.uri(), {.max_request = 1000})->max_request(), 512U) << "whole sectors";
}

TEST_F(Nbd, ManyZeroRequestsArriveTogether) {
    const NbdkitServer server({"memory", "4M"});
    const auto sink = open_nbd_sink(server.uri());
    auto data = random_bytes(4 * MiB);
    const auto channel = sink->open_channel({});
    write_range(*channel, 0, data);
    channel->drain({});
    for (Bytes at = 0; at < 4 * MiB; at += 8192) {
        channel->zero({at, 4096}, {});
        std::fill_n(data.begin() + static_cast<std::ptrdiff_t>(at), 4096, std::byte{0});
    }
    channel->flush({});
    EXPECT_EQ(read_range(*open_nbd_source(server.uri()), {0, 4 * MiB}), data);
}

TEST_F(Nbd, SeveralChannelsAtOnce) {
    const NbdkitServer server({"memory", "32M"});
    const auto sink = open_nbd_sink(server.uri());
    ASSERT_TRUE(sink->has_multi_conn());
    const auto data = random_bytes(32 * MiB);
    const auto source = open_nbd_source(server.uri());
    {
        std::vector<std::jthread> lanes;
        for (Bytes lane = 0; lane < 4; ++lane) {
            lanes.emplace_back([&, lane] {
                const auto channel = sink->open_channel({});
                const Content part(data.begin() + static_cast<std::ptrdiff_t>(lane * 8 * MiB),
                                   data.begin() + static_cast<std::ptrdiff_t>((lane + 1) * 8 * MiB));
                write_range(*channel, lane * 8 * MiB, part, 256 * KiB);
                channel->flush({});
                EXPECT_EQ(read_range(*source, {lane * 8 * MiB, 8 * MiB}), part);
            });
        }
    }
    EXPECT_EQ(read_range(*source, {0, 32 * MiB}), data);
}

TEST_F(Nbd, WithoutMultiConnOneWritingChannelAtATime) {
    const NbdkitServer server({"--filter=multi-conn", "memory", "1M", "multi-conn-mode=disable"});
    const auto sink = open_nbd_sink(server.uri());
    EXPECT_FALSE(sink->has_multi_conn());
    auto channel = sink->open_channel({});
    EXPECT_EQ(code_of([&] { sink->open_channel({}); }), ErrorCode::conflict);
    channel.reset();
    EXPECT_NO_THROW(sink->open_channel({}));
    const auto source = open_nbd_source(server.uri());
    const auto one = source->open_channel({});
    const auto two = source->open_channel({});
    EXPECT_EQ(read_range(*two, {0, 512}), Content(512)) << "reading needs no such promise";
}

TEST_F(Nbd, TheInstanceIsTheDescriptionOfTheExport) {
    const NbdkitServer plain({"memory", "1M"});
    EXPECT_EQ(open_nbd_sink(plain.uri())->instance(), "");
    const NbdkitServer told({"--filter=exportname", "memory", "1M", "exportname=disk", "exportdesc=fixed:process 17"});
    EXPECT_EQ(open_nbd_sink(told.uri("disk"))->instance(), "process 17");
}

TEST_F(Nbd, ExtentsTellHolesAcrossManyQueries) {
    const NbdkitServer server({"memory", "5G"});
    const auto sink = open_nbd_sink(server.uri());
    const auto channel = sink->open_channel({});
    channel->write(3 * GiB, Content(64 * KiB, std::byte{1}), {});
    channel->drain({});
    const auto source = open_nbd_source(server.uri());
    const auto extents = source->extents({512, 5 * GiB - 512}, {});
    Bytes at = 512;
    Bytes data = 0;
    for (const Extent& extent : extents) {
        EXPECT_EQ(extent.range.offset, at);
        at = extent.range.end();
        data += extent.is_zero ? 0 : extent.range.length;
    }
    EXPECT_EQ(at, 5 * GiB);
    EXPECT_GE(data, 64 * KiB);
    EXPECT_LE(data, 128 * KiB);
}

TEST_F(Nbd, AServerWithoutExtentsHasOnlyData) {
    const NbdkitServer server({"--filter=noextents", "memory", "3G"});
    const auto extents = open_nbd_source(server.uri())->extents({0, 3 * GiB}, {});
    ASSERT_EQ(extents.size(), 1U);
    EXPECT_EQ(extents[0].range, (Range{0, 3 * GiB}));
    EXPECT_FALSE(extents[0].is_zero);
}

TEST_F(Nbd, AFailedExtentQueryMeansData) {
    const NbdkitServer server({"--filter=error", "memory", "2G", "error-extents-rate=100%"});
    const auto source = open_nbd_source(server.uri());
    const auto extents = source->extents({0, 2 * GiB}, {});
    ASSERT_EQ(extents.size(), 1U);
    EXPECT_FALSE(extents[0].is_zero);
    EXPECT_EQ(read_range(*source, {0, 512}), Content(512));
}

TEST_F(Nbd, ExtentsOfADeadServerAreDataAndComeBackWithIt) {
    NbdkitServer server({"memory", "2M"});
    const auto source = open_nbd_source(server.uri());
    EXPECT_TRUE(source->extents({0, 2 * MiB}, {}).at(0).is_zero);
    server.stop();
    EXPECT_FALSE(source->extents({0, 2 * MiB}, {}).at(0).is_zero);
    server.start_again();
    EXPECT_TRUE(source->extents({0, 2 * MiB}, {}).at(0).is_zero);
}

TEST_F(Nbd, AReadOnlyExportIsNoSink) {
    const NbdkitServer server({"-r", "memory", "1M"});
    EXPECT_EQ(code_of([&] { open_nbd_sink(server.uri()); }), ErrorCode::conflict);
}

TEST_F(Nbd, NobodyThere) {
    EXPECT_EQ(code_of([] { open_nbd_source("nbd+unix:///?socket=/nonexistent/socket"); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([] { open_nbd_source("nbd://127.0.0.1:1/x"); }), ErrorCode::unavailable);
}

TEST_F(Nbd, AnUnknownExportIsNotFound) {
    const NbdkitServer server({"--filter=exportname", "memory", "1M", "exportname=known", "exportname-strict=true"});
    EXPECT_EQ(open_nbd_source(server.uri("known"))->capacity(), 1 * MiB);
    EXPECT_EQ(code_of([&] { open_nbd_source(server.uri("unknown")); }), ErrorCode::not_found);
}

TEST_F(Nbd, AStopRequestEndsAReadThatHangs) {
    const NbdkitServer server({"--filter=delay", "memory", "1M", "rdelay=600"});
    const auto source = open_nbd_source(server.uri());
    const auto channel = source->open_channel({});
    channel->request({0, 512});
    std::stop_source stop;
    std::latch reading(1);
    std::jthread reader([&] {
        reading.count_down();
        EXPECT_EQ(code_of([&] { channel->receive(stop.get_token()); }), ErrorCode::cancelled);
    });
    reading.wait();
    stop.request_stop();
}

TEST_F(Nbd, AStopRequestEndsAWriteThatHangs) {
    const NbdkitServer server({"--filter=delay", "memory", "64M", "wdelay=600"});
    const auto sink = open_nbd_sink(server.uri());
    const auto channel = sink->open_channel({});
    std::stop_source stop;
    std::latch writing(1);
    std::jthread writer([&] {
        const Content data(1 * MiB);
        writing.count_down();
        EXPECT_EQ(code_of([&] {
                      for (Bytes at = 0; at < 64 * MiB; at += data.size()) {
                          channel->write(at, data, stop.get_token());
                      }
                  }),
                  ErrorCode::cancelled);
    });
    writing.wait();
    stop.request_stop();
    writer.join();
    EXPECT_EQ(channel->unanswered().front(), (Range{0, 1 * MiB}));
}

TEST_F(Nbd, AnAnswerThatDoesNotComeIsATimeout) {
    const NbdkitServer server({"--filter=delay", "memory", "1M", "wdelay=600", "rdelay=600"});
    const NbdOptions options{.limit = std::chrono::milliseconds{50}};
    const auto sink = open_nbd_sink(server.uri(), options);
    const auto writer = sink->open_channel({});
    writer->write(0, Content(512), {});
    EXPECT_EQ(code_of([&] { writer->drain({}); }), ErrorCode::timeout);
    EXPECT_EQ(writer->unanswered().size(), 1U);
    EXPECT_GT(writer->answer_wait().count(), 0) << "counted although nothing came";
    const auto source = open_nbd_source(server.uri(), options);
    const auto reader = source->open_channel({});
    reader->request({0, 512});
    EXPECT_EQ(code_of([&] { reader->receive({}); }), ErrorCode::timeout);
}

TEST_F(Nbd, ADeadServerIsUnavailableUntilItComesBack) {
    NbdkitServer server({"memory", "1M"});
    const auto source = open_nbd_source(server.uri());
    const auto sink = open_nbd_sink(server.uri());
    auto reader = source->open_channel({});
    auto writer = sink->open_channel({});
    server.stop();
    reader->request({0, 512});
    EXPECT_EQ(code_of([&] { reader->receive({}); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([&] { writer->flush({}); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([&] { source->open_channel({}); }), ErrorCode::unavailable);
    server.start_again();
    reader = source->open_channel({});
    writer = sink->open_channel({});
    writer->write(0, Content(512, std::byte{7}), {});
    writer->flush({});
    EXPECT_EQ(read_range(*reader, {0, 512}), Content(512, std::byte{7}));
}

TEST(NbdUri, BothForms) {
    EXPECT_EQ(nbd_endpoint("nbd+unix:///a%20disk?socket=/run/x").export_name, "a disk");
    EXPECT_EQ(nbd_endpoint("nbd+unix:///?socket=/run/x").export_name, "");
    EXPECT_EQ(nbd_endpoint("nbd+unix:///vm/1?socket=/run/x").export_name, "vm/1");
    EXPECT_EQ(nbd_endpoint("nbd://host/disk").export_name, "disk");
    EXPECT_EQ(nbd_endpoint("nbd://[::1]:10809/disk").export_name, "disk");
    EXPECT_EQ(nbd_endpoint("nbd://host").export_name, "");
    EXPECT_EQ(nbd_endpoint("nbd+unix:///name?socket=/run/secret/x").display_name, "nbd+unix:///name");
}

TEST(NbdUri, OthersAreInvalid) {
    for (const char* uri :
         {"", "gopher://host/x", "nbd:unix:/run/x", "nbd+unix:///name",
          "nbd+unix:///name?socket=", "nbd+unix://host/name?socket=/x", "nbd+unix:///%zz?socket=/x",
          "nbd+unix:///x?socket=/x&tls=on", "nbd:///x", "nbd://:10809/x", "nbd://host:/x", "nbd://host:0/x",
          "nbd://host:65536/x", "nbd://host:x/x", "nbd://host/%1", "nbd://host/x?tls=on", "nbds://host/x"}) {
        EXPECT_EQ(code_of([&] { nbd_endpoint(uri); }), ErrorCode::invalid) << uri;
    }
}

}  // namespace

#include "block/nbd.hpp"

#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "os/process.hpp"
#include "unit/block/nbdkit_server.hpp"

using namespace mk;
using namespace mk::block;
using mk::test::NbdkitServer;

namespace {

class Nbd : public testing::Test {
  protected:
    void SetUp() override {
        if (!os::is_installed("nbdkit")) {
            GTEST_SKIP() << "nbdkit is not installed";
        }
    }
};

std::vector<std::byte> random_bytes(std::size_t size) {
    const unsigned seed = std::random_device{}();
    std::mt19937 generator(seed);
    testing::Test::RecordProperty("seed", static_cast<int>(seed));
    std::vector<std::byte> out(size);
    for (std::byte& value : out) {
        value = static_cast<std::byte>(generator());
    }
    return out;
}

std::vector<std::byte> read_all(BlockSource& source, Bytes offset, Bytes length) {
    std::vector<std::byte> out(length);
    source.read(offset, out, {});
    return out;
}

template <class Call>
ErrorCode code_of(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error.code();
    }
    ADD_FAILURE() << "no error";
    return ErrorCode::internal;
}

}  // namespace

TEST_F(Nbd, WhatIsWrittenIsRead) {
    const NbdkitServer server({"memory", "40M"});
    const auto sink = open_nbd_sink(server.uri());
    const auto data = random_bytes(9 * MiB + 513);
    sink->write(511, data, {});
    sink->flush({});
    const auto source = open_nbd_source(server.uri());
    EXPECT_EQ(source->capacity(), 40 * MiB);
    EXPECT_EQ(sink->capacity(), 40 * MiB);
    EXPECT_EQ(read_all(*source, 511, data.size()), data);
    EXPECT_EQ(read_all(*source, 0, 511), std::vector<std::byte>(511));
}

TEST_F(Nbd, EmptyRequestsAreNothing) {
    const NbdkitServer server({"memory", "1M"});
    const auto sink = open_nbd_sink(server.uri());
    sink->write(0, {}, {});
    sink->zero({0, 0}, {});
    sink->flush({});
    EXPECT_TRUE(read_all(*open_nbd_source(server.uri()), 0, 0).empty());
}

TEST_F(Nbd, ZeroClearsExactlyTheRange) {
    const NbdkitServer server({"memory", "8M"});
    const auto sink = open_nbd_sink(server.uri());
    auto data = random_bytes(8 * MiB);
    sink->write(0, data, {});
    sink->zero({4097, 3 * MiB}, {});
    std::fill_n(data.begin() + 4097, 3 * MiB, std::byte{0});
    EXPECT_EQ(read_all(*open_nbd_source(server.uri()), 0, 8 * MiB), data);
}

TEST_F(Nbd, ZeroIsWrittenWhenTheServerHasNoCommand) {
    const NbdkitServer server({"--filter=nozero", "memory", "4M", "zeromode=none"});
    const auto sink = open_nbd_sink(server.uri());
    auto data = random_bytes(4 * MiB);
    sink->write(0, data, {});
    sink->zero({1, 3 * MiB}, {});
    std::fill_n(data.begin() + 1, 3 * MiB, std::byte{0});
    EXPECT_EQ(read_all(*open_nbd_source(server.uri()), 0, 4 * MiB), data);
}

TEST_F(Nbd, TheServersRequestLimitIsHonoured) {
    const NbdkitServer server({"--filter=blocksize-policy", "memory", "4M", "blocksize-minimum=1",
                               "blocksize-preferred=4096", "blocksize-maximum=65536", "blocksize-error-policy=error"});
    const auto sink = open_nbd_sink(server.uri());
    EXPECT_EQ(sink->max_request(), 64 * KiB);
    const auto data = random_bytes(1 * MiB + 1);
    sink->write(0, data, {});
    sink->zero({2 * MiB, 1 * MiB}, {});
    EXPECT_EQ(read_all(*open_nbd_source(server.uri()), 0, data.size()), data);
}

TEST_F(Nbd, OurOwnRequestLimitIsHonoured) {
    const NbdkitServer server({"memory", "1M"});
    const auto sink = open_nbd_sink(server.uri(), {.max_request = 4096});
    EXPECT_EQ(sink->max_request(), 4096U);
    const auto data = random_bytes(100'001);
    sink->write(7, data, {});
    EXPECT_EQ(read_all(*open_nbd_source(server.uri(), {.max_request = 512}), 7, data.size()), data);
}

TEST_F(Nbd, ExtentsTellHolesAcrossManyQueries) {
    const NbdkitServer server({"memory", "5G"});
    const auto sink = open_nbd_sink(server.uri());
    sink->write(3 * GiB, std::vector<std::byte>(64 * KiB, std::byte{1}), {});
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

TEST_F(Nbd, AFailedExtentQueryMeansDataAndTheConnectionGoesOn) {
    const NbdkitServer server({"--filter=error", "memory", "2G", "error-extents-rate=100%"});
    const auto source = open_nbd_source(server.uri());
    const auto extents = source->extents({0, 2 * GiB}, {});
    ASSERT_EQ(extents.size(), 1U);
    EXPECT_FALSE(extents[0].is_zero);
    EXPECT_EQ(read_all(*source, 0, 512), std::vector<std::byte>(512));
}

TEST_F(Nbd, FailuresAreTyped) {
    const NbdkitServer bad_reads({"--filter=error", "memory", "1M", "error=EIO", "error-pread-rate=100%"});
    const auto source = open_nbd_source(bad_reads.uri());
    EXPECT_EQ(code_of([&] { read_all(*source, 0, 512); }), ErrorCode::external);
    EXPECT_EQ(code_of([&] { read_all(*source, 0, 512); }), ErrorCode::unavailable) << "closed after the failure";

    const NbdkitServer full({"--filter=error", "memory", "1M", "error=ENOSPC", "error-pwrite-rate=100%"});
    const auto sink = open_nbd_sink(full.uri());
    EXPECT_EQ(code_of([&] { sink->write(0, std::vector<std::byte>(512), {}); }), ErrorCode::exhausted);
}

TEST_F(Nbd, AReadOnlyExportIsNoSink) {
    const NbdkitServer server({"-r", "memory", "1M"});
    EXPECT_EQ(code_of([&] { open_nbd_sink(server.uri()); }), ErrorCode::conflict);
}

TEST_F(Nbd, NobodyThere) {
    EXPECT_EQ(code_of([] { open_nbd_source("nbd+unix:///?socket=/nonexistent/socket"); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([] { open_nbd_source("nbd://127.0.0.1:1/x"); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([] { open_nbd_source("gopher://host/x"); }), ErrorCode::invalid);
}

TEST_F(Nbd, AnUnknownExportIsNotFound) {
    const NbdkitServer server({"--filter=exportname", "memory", "1M", "exportname=known", "exportname-strict=true"});
    EXPECT_EQ(open_nbd_source(server.uri("known"))->capacity(), 1 * MiB);
    EXPECT_EQ(code_of([&] { open_nbd_source(server.uri("unknown")); }), ErrorCode::not_found);
}

TEST_F(Nbd, AStopRequestEndsAReadThatHangs) {
    const NbdkitServer server({"--filter=delay", "memory", "1M", "rdelay=600"});
    const auto source = open_nbd_source(server.uri());
    std::stop_source stop;
    std::jthread reader([&] {
        EXPECT_EQ(code_of([&] {
                      std::vector<std::byte> buffer(512);
                      source->read(0, buffer, stop.get_token());
                  }),
                  ErrorCode::cancelled);
    });
    stop.request_stop();
}

TEST_F(Nbd, AnAnswerThatDoesNotComeIsATimeout) {
    const NbdkitServer server({"--filter=delay", "memory", "1M", "wdelay=600"});
    const auto sink = open_nbd_sink(server.uri(), {.limit = std::chrono::milliseconds{50}});
    EXPECT_EQ(code_of([&] { sink->write(0, std::vector<std::byte>(512), {}); }), ErrorCode::timeout);
}

TEST_F(Nbd, ADeadServerIsUnavailable) {
    NbdkitServer server({"memory", "1M"});
    const auto source = open_nbd_source(server.uri());
    const auto sink = open_nbd_sink(server.uri());
    server.stop();
    EXPECT_EQ(code_of([&] { read_all(*source, 0, 512); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([&] { sink->flush({}); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([&] { open_nbd_source(server.uri()); }), ErrorCode::unavailable);
}

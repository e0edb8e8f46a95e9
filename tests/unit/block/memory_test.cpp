#include "block/memory.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace mk::block {
namespace {

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

std::vector<std::byte> filled(std::size_t size, int value) {
    return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

std::stop_token stopped() {
    std::stop_source stop;
    stop.request_stop();
    return stop.get_token();
}

TEST(MemorySource, TellsHolesInRunsOf4KiB) {
    std::vector<std::byte> content(16 * KiB + 100);
    content[5000] = std::byte{1};
    MemorySource source(content);
    const auto extents = source.extents({0, content.size()}, {});
    ASSERT_EQ(extents.size(), 3U);
    EXPECT_TRUE(extents[0].is_zero);
    EXPECT_EQ(extents[1].range, (Range{4 * KiB, 4 * KiB}));
    EXPECT_FALSE(extents[1].is_zero);
    EXPECT_EQ(extents[2].range.end(), content.size());
}

TEST(MemorySource, AnswersInTheOrderThatIsSet) {
    for (const bool newest_first : {false, true}) {
        auto content = filled(1024, 1);
        std::fill_n(content.begin() + 512, 512, std::byte{2});
        MemorySource source(content);
        source.answers_newest_first = newest_first;
        const auto channel = source.open_channel({});
        channel->request({0, 512});
        channel->request({512, 512});
        EXPECT_EQ(channel->in_flight(), 2U);
        const auto reply = channel->receive({});
        EXPECT_EQ(reply.range.offset, newest_first ? 512U : 0U);
        EXPECT_EQ(std::vector(reply.data.begin(), reply.data.end()), filled(512, newest_first ? 2 : 1));
        channel->receive({});
        EXPECT_EQ(channel->in_flight(), 0U);
        EXPECT_EQ(source.reads.size(), 2U);
    }
}

TEST(MemorySource, RefusesWhatTheContractForbids) {
    MemorySource source(filled(4096, 0), 1024);
    const auto channel = source.open_channel({});
    EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { channel->request({0, 1025}); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { channel->request({4096, 1}); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { channel->request({~0ULL, 1}); }), ErrorCode::internal);
    channel->request({0, 512});
    EXPECT_EQ(code_of([&] { channel->request({0, 512}); }), ErrorCode::internal);
}

TEST(MemorySource, AnErrorOfTheReaderIsAnAnswer) {
    MemorySource source(filled(1024, 5));
    source.on_read = [](Range range) {
        if (range.offset == 0) {
            throw Error(ErrorCode::external, "bad sector");
        }
    };
    const auto channel = source.open_channel({});
    channel->request({0, 512});
    channel->request({512, 512});
    EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::external);
    EXPECT_EQ(channel->receive({}).range.offset, 512U);
}

TEST(MemorySource, BreaksTheChannelOfTheNthAnswer) {
    MemorySource source(filled(1024, 5));
    source.break_at = 2;
    const auto channel = source.open_channel({});
    channel->request({0, 512});
    channel->request({512, 512});
    channel->receive({});
    EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([&] { channel->request({512, 512}); }), ErrorCode::unavailable);
    const auto other = source.open_channel({});
    other->request({512, 512});
    EXPECT_NO_THROW(other->receive({}));
}

TEST(MemorySource, StopsWhenAsked) {
    MemorySource source(filled(512, 0));
    const auto channel = source.open_channel({});
    channel->request({0, 1});
    EXPECT_EQ(code_of([&] { channel->receive(stopped()); }), ErrorCode::cancelled);
    EXPECT_EQ(code_of([&] { source.open_channel(stopped()); }), ErrorCode::cancelled);
}

TEST(MemorySink, RemembersWhatWasAsked) {
    MemorySink sink(1024, std::byte{0xEE});
    const auto channel = sink.open_channel({});
    channel->write(1, filled(2, 7), {});
    channel->zero({10, 4}, {});
    channel->flush({});
    EXPECT_EQ(sink.content[0], std::byte{0xEE});
    EXPECT_EQ(sink.content[2], std::byte{7});
    EXPECT_EQ(sink.content[13], std::byte{0});
    EXPECT_EQ(sink.writes.size(), 1U);
    EXPECT_EQ(sink.zeroes.at(0), (Range{10, 4}));
    EXPECT_EQ(sink.flushes, 1);
    EXPECT_EQ(channel->sent(), 2U);
}

TEST(MemorySink, LetsRequestsPileUpAndAnswersTheNewestFirst) {
    MemorySink sink(4096);
    sink.unanswered_depth = 2;
    sink.answers_newest_first = true;
    const auto channel = sink.open_channel({});
    channel->write(0, filled(512, 1), {});
    channel->write(512, filled(512, 2), {});
    EXPECT_TRUE(sink.writes.empty());
    channel->write(1024, filled(512, 3), {});
    EXPECT_EQ(sink.writes, (std::vector<Range>{{1024, 512}}));
    EXPECT_EQ(channel->unanswered(), (std::vector<Range>{{0, 512}, {512, 512}}));
    channel->drain({});
    EXPECT_TRUE(channel->unanswered().empty());
    EXPECT_EQ(sink.content[600], std::byte{2});
}

TEST(MemorySink, ABrokenChannelTellsWhatIsUncertain) {
    MemorySink sink(4096);
    sink.unanswered_depth = 4;
    sink.break_at = 2;
    const auto channel = sink.open_channel({});
    for (Bytes at = 0; at < 2048; at += 512) {
        channel->write(at, filled(512, 1), {});
    }
    EXPECT_EQ(code_of([&] { channel->drain({}); }), ErrorCode::unavailable);
    EXPECT_EQ(channel->unanswered(), (std::vector<Range>{{512, 512}, {1024, 512}, {1536, 512}}));
    EXPECT_EQ(sink.content[1024], std::byte{1}) << "arrived, but nobody knows";
    EXPECT_EQ(sink.content[1536], std::byte{0}) << "did not arrive";
    EXPECT_EQ(code_of([&] { channel->write(0, filled(512, 1), {}); }), ErrorCode::unavailable);
    EXPECT_EQ(channel->unanswered().size(), 4U) << "a write that threw is uncertain, too";
}

TEST(MemorySink, ARestartLosesWhatWasNotFlushed) {
    MemorySink sink(1024);
    const auto before = sink.instance();
    const auto channel = sink.open_channel({});
    channel->write(0, filled(512, 1), {});
    channel->flush({});
    channel->write(512, filled(512, 2), {});
    sink.restart();
    EXPECT_EQ(sink.content[0], std::byte{1});
    EXPECT_EQ(sink.content[512], std::byte{0});
    EXPECT_EQ(code_of([&] { channel->flush({}); }), ErrorCode::unavailable);
    EXPECT_NE(sink.instance(), before);
    sink.open_channel({})->write(512, filled(512, 3), {});
    EXPECT_EQ(sink.content[512], std::byte{3});
}

TEST(MemorySink, WithoutMultiConnOneChannelAtATime) {
    MemorySink sink(1024);
    sink.multi_conn = false;
    auto channel = sink.open_channel({});
    EXPECT_EQ(code_of([&] { sink.open_channel({}); }), ErrorCode::conflict);
    channel.reset();
    EXPECT_NO_THROW(sink.open_channel({}));
    EXPECT_EQ(sink.open_channels, 0);
}

TEST(MemorySink, HooksMayFail) {
    MemorySink sink(1024);
    sink.on_write = [](Range) { throw Error(ErrorCode::exhausted, "full"); };
    EXPECT_EQ(code_of([&] { sink.open_channel({})->write(0, filled(1, 1), {}); }), ErrorCode::exhausted);
    sink.on_flush = [] { throw Error(ErrorCode::external, "no"); };
    EXPECT_EQ(code_of([&] { sink.open_channel({})->flush({}); }), ErrorCode::external);
    sink.on_open = [] { throw Error(ErrorCode::unavailable, "nobody"); };
    EXPECT_EQ(code_of([&] { sink.open_channel({}); }), ErrorCode::unavailable);
    EXPECT_EQ(sink.flushes, 0);
}

}  // namespace
}  // namespace mk::block

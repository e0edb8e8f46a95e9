#include "source/vsphere/reconnecting_source.hpp"

#include <latch>
#include <thread>

#include <gmock/gmock.h>

#include "block/memory.hpp"
#include "unit/source/vsphere/fake_server.hpp"
#include "unit/source/vsphere/patient_reader.hpp"

namespace mk::vsphere {
namespace {

using block::MemorySource;
using testing::ElementsAre;

constexpr Bytes capacity = 5 * MiB + 512;

std::vector<std::byte> content() {
    std::vector<std::byte> bytes(capacity);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(i / 4096 % 251);
    }
    return bytes;
}

class Reconnecting : public testing::Test {
  protected:
    ReconnectingSource::Hooks hooks() {
        return {[this](const std::stop_token&) { return open_reader(); },
                [this](const Error&, int attempt, const std::stop_token&) {
                    repairs.push_back(attempt);
                    if (on_repair) {
                        on_repair();
                    }
                }};
    }
    std::unique_ptr<block::BlockSource> open_reader() {
        ++opened;
        if (failing_opens > 0) {
            --failing_opens;
            throw Error(ErrorCode::unavailable, "no answer");
        }
        auto bytes = content();
        bytes.resize(size);
        auto reader = std::make_unique<MemorySource>(std::move(bytes));
        reader->break_at = break_at.exchange(0);
        reader->on_read = [this](Range) {
            if (failing_reads > 0) {
                --failing_reads;
                throw Error(ErrorCode::external, "Input/output error");
            }
        };
        return reader;
    }
    std::shared_ptr<ReconnectingSource> open() {
        return ReconnectingSource::open("disk", capacity, hooks(), quick(), {});
    }
    static void expect_readable(block::BlockSource& source) {
        std::vector<std::byte> buffer(capacity);
        PatientReader(source).read(0, buffer);
        EXPECT_EQ(buffer, content());
    }

    std::atomic<int> opened = 0;
    std::atomic<int> failing_opens = 0;
    std::atomic<int> failing_reads = 0;
    std::atomic<int> break_at = 0;
    Bytes size = capacity;
    std::vector<int> repairs;
    std::function<void()> on_repair;
};

TEST_F(Reconnecting, AllChannelsUseOneReader) {
    const auto source = open();
    EXPECT_EQ(source->max_request(), 2 * MiB);
    const auto one = source->open_channel({});
    const auto two = source->open_channel({});
    one->request({0, 512});
    two->request({512, 512});
    EXPECT_EQ(one->in_flight(), 1U);
    EXPECT_EQ(one->receive({}).range.offset, 0U);
    EXPECT_EQ(two->receive({}).range.offset, 512U);
    expect_readable(*source);
    EXPECT_EQ(opened, 1);
    EXPECT_TRUE(repairs.empty());
}

TEST_F(Reconnecting, AnAnswerWithAnErrorEndsTheReaderAndTheNextOneGoesOn) {
    const auto source = open();
    failing_reads = 2;
    failing_opens = 1;
    expect_readable(*source);
    EXPECT_THAT(repairs, ElementsAre(1, 2, 3));
    EXPECT_EQ(opened, 4);
}

TEST_F(Reconnecting, ALostConnectionEndsTheReaderToo) {
    break_at = 2;
    const auto source = open();
    expect_readable(*source);
    EXPECT_THAT(repairs, ElementsAre(1));
    EXPECT_EQ(opened, 2);
}

TEST_F(Reconnecting, SeveralChannelsThatNoticeGetOneNewReader) {
    const auto source = open();
    failing_reads = 3;
    std::vector<std::unique_ptr<block::ReadChannel>> channels;
    for (Bytes i = 0; i < 3; ++i) {
        channels.push_back(source->open_channel({}));
        channels.back()->request({i * 512, 512});
    }
    for (const auto& channel : channels) {
        EXPECT_EQ(error_of([&] { channel->receive({}); }).code(), ErrorCode::unavailable);
        EXPECT_EQ(error_of([&] { channel->request({0, 512}); }).code(), ErrorCode::unavailable) << "for good";
    }
    {
        std::vector<std::jthread> lanes;
        for (int i = 0; i < 3; ++i) {
            lanes.emplace_back([&] { expect_readable(*source); });
        }
    }
    EXPECT_EQ(opened, 2);
    EXPECT_THAT(repairs, ElementsAre(1));
}

TEST_F(Reconnecting, AChannelOfAnOldReaderDoesNotEndTheNewOne) {
    const auto source = open();
    const auto old = source->open_channel({});
    old->request({0, 512});
    failing_reads = 1;
    const auto broken = source->open_channel({});
    broken->request({0, 512});
    EXPECT_THROW(broken->receive({}), Error);
    const auto current = source->open_channel({});
    failing_reads = 1;
    EXPECT_THROW(old->receive({}), Error);
    current->request({0, 512});
    EXPECT_NO_THROW(current->receive({}));
    EXPECT_EQ(opened, 2);
}

TEST_F(Reconnecting, ARangeThatFailsFiveTimesIsABadDisk) {
    const auto source = open();
    failing_reads = 100;
    std::vector<std::byte> buffer(512);
    const auto error = error_of([&] { PatientReader(*source).read(0, buffer); });
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_THAT(error.full_text(), testing::AllOf(testing::HasSubstr("Input/output error"), testing::HasSubstr("disk"),
                                                  testing::HasSubstr("recovery point is unchanged")));
    EXPECT_EQ(opened, ReconnectingSource::tries);
}

TEST_F(Reconnecting, OpeningGivesUpAfterFiveTriesAndMayBeTriedAgain) {
    const auto source = open();
    failing_reads = 1;
    const auto channel = source->open_channel({});
    channel->request({0, 512});
    EXPECT_THROW(channel->receive({}), Error);
    failing_opens = ReconnectingSource::tries;
    const auto error = error_of([&] { source->open_channel({}); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << "who has more patience may ask again";
    EXPECT_EQ(opened, 1 + ReconnectingSource::tries);
    expect_readable(*source);
}

TEST_F(Reconnecting, CountsTriesAnewAfterASuccess) {
    const auto source = open();
    std::vector<std::byte> buffer(512);
    for (int i = 0; i < 4; ++i) {
        failing_reads = 3;
        EXPECT_NO_THROW(PatientReader(*source).read(0, buffer));
    }
    EXPECT_THAT(repairs, ElementsAre(1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3));
}

TEST_F(Reconnecting, NeverReadsADiskOfAnotherSize) {
    size = capacity - 512;
    EXPECT_EQ(error_of([&] { open(); }).code(), ErrorCode::corrupt);
    EXPECT_EQ(opened, 1);
}

TEST_F(Reconnecting, NoticesAnotherSizeAfterReopening) {
    const auto source = open();
    size = capacity - 512;
    failing_reads = 1;
    std::vector<std::byte> buffer(512);
    EXPECT_EQ(error_of([&] { PatientReader(*source).read(0, buffer); }).code(), ErrorCode::corrupt);
}

TEST_F(Reconnecting, AClosedOneStaysClosed) {
    const auto source = open();
    const auto channel = source->open_channel({});
    channel->request({0, 512});
    source->close();
    EXPECT_EQ(error_of([&] { channel->receive({}); }).code(), ErrorCode::conflict);
    EXPECT_EQ(error_of([&] { source->open_channel({}); }).code(), ErrorCode::conflict);
    EXPECT_EQ(opened, 1);
    EXPECT_FALSE(source->extents({0, 512}, {}).at(0).is_zero);
}

TEST_F(Reconnecting, ExtentsDoNotWaitForANewReader) {
    const auto source = open();
    EXPECT_TRUE(source->extents({0, 4096}, {}).at(0).is_zero) << "the pattern begins with zeros";
    failing_reads = 1;
    const auto channel = source->open_channel({});
    channel->request({0, 512});
    EXPECT_THROW(channel->receive({}), Error);
    std::latch repairing(1);
    std::latch answered(1);
    on_repair = [&] {
        repairing.count_down();
        answered.wait();
    };
    const std::jthread lane([&] { source->open_channel({}); });
    repairing.wait();
    EXPECT_FALSE(source->extents({0, 4096}, {}).at(0).is_zero) << "nobody can tell";
    answered.count_down();
}

TEST_F(Reconnecting, StopsWhenAsked) {
    const auto source = open();
    failing_reads = 100;
    std::stop_source stop;
    on_repair = [&] { stop.request_stop(); };
    std::vector<std::byte> buffer(512);
    EXPECT_EQ(error_of([&] { PatientReader(*source).read(0, buffer, stop.get_token()); }).code(), ErrorCode::cancelled);
}

TEST_F(Reconnecting, ARefusedLoginEndsTheReading) {
    const auto source = open();
    failing_reads = 100;
    on_repair = [] { throw Error(ErrorCode::unauthenticated, "InvalidLogin"); };
    std::vector<std::byte> buffer(512);
    EXPECT_EQ(error_of([&] { PatientReader(*source).read(0, buffer); }).code(), ErrorCode::unauthenticated);
    EXPECT_EQ(opened, 1);
}

}  // namespace
}  // namespace mk::vsphere

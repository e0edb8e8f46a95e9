#include "source/vsphere/reconnecting_source.hpp"

#include <gmock/gmock.h>

#include "block/memory.hpp"
#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

using block::MemorySource;

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
        return {[this](const std::stop_token&) -> std::unique_ptr<block::BlockSource> {
                    ++opened;
                    if (failing_opens > 0) {
                        --failing_opens;
                        throw Error(ErrorCode::unavailable, "no answer");
                    }
                    auto bytes = content();
                    bytes.resize(size);
                    auto source = std::make_unique<MemorySource>(std::move(bytes));
                    source->on_read = [this](Range range) {
                        largest = std::max(largest, range.length);
                        if (failing_reads > 0) {
                            --failing_reads;
                            throw Error(ErrorCode::external, "Input/output error");
                        }
                    };
                    return source;
                },
                [this](const Error&, int attempt, const std::stop_token&) {
                    repairs.push_back(attempt);
                    if (on_repair) {
                        on_repair();
                    }
                }};
    }
    ReconnectingSource open() { return ReconnectingSource("disk", capacity, hooks(), quick(), {}); }

    int opened = 0;
    int failing_opens = 0;
    int failing_reads = 0;
    Bytes size = capacity;
    Bytes largest = 0;
    std::vector<int> repairs;
    std::function<void()> on_repair;
};

TEST_F(Reconnecting, ReadsInPiecesOfAtMostTwoMebibytes) {
    auto source = open();
    std::vector<std::byte> buffer(capacity);
    source.read(0, buffer, {});
    EXPECT_EQ(buffer, content());
    EXPECT_EQ(largest, 2 * MiB);
    EXPECT_EQ(source.max_request(), 2 * MiB);
    EXPECT_EQ(opened, 1);
}

TEST_F(Reconnecting, OpensAgainAndReadsTheSameBytes) {
    auto source = open();
    failing_reads = 2;
    failing_opens = 1;
    std::vector<std::byte> buffer(512);
    source.read(capacity - 512, buffer, {});
    const auto whole = content();
    EXPECT_TRUE(std::equal(buffer.begin(), buffer.end(), whole.end() - 512));
    EXPECT_THAT(repairs, testing::ElementsAre(1, 2, 3));
}

TEST_F(Reconnecting, GivesUpAfterFiveTriesWithTheLastReason) {
    auto source = open();
    failing_reads = 100;
    std::vector<std::byte> buffer(512);
    const auto error = error_of([&] { source.read(0, buffer, {}); });
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_THAT(error.full_text(), testing::AllOf(testing::HasSubstr("Input/output error"), testing::HasSubstr("disk"),
                                                  testing::HasSubstr("recovery point is unchanged")));
    EXPECT_EQ(opened, ReconnectingSource::tries);
}

TEST_F(Reconnecting, CountsTriesAnewAfterASuccess) {
    auto source = open();
    std::vector<std::byte> buffer(512);
    for (int i = 0; i < 4; ++i) {
        failing_reads = 3;
        EXPECT_NO_THROW(source.read(0, buffer, {}));
    }
}

TEST_F(Reconnecting, NeverReadsADiskOfAnotherSize) {
    size = capacity - 512;
    EXPECT_EQ(error_of([&] { open(); }).code(), ErrorCode::corrupt);
    EXPECT_EQ(opened, 1);
}

TEST_F(Reconnecting, NoticesAnotherSizeAfterReopening) {
    auto source = open();
    size = capacity - 512;
    failing_reads = 1;
    std::vector<std::byte> buffer(512);
    EXPECT_EQ(error_of([&] { source.read(0, buffer, {}); }).code(), ErrorCode::corrupt);
}

TEST_F(Reconnecting, AClosedOneStaysClosed) {
    auto source = open();
    source.close();
    std::vector<std::byte> buffer(512);
    EXPECT_EQ(error_of([&] { source.read(0, buffer, {}); }).code(), ErrorCode::conflict);
    EXPECT_EQ(opened, 1);
    EXPECT_FALSE(source.extents({0, 512}, {}).at(0).is_zero);
}

TEST_F(Reconnecting, StopsWhenAsked) {
    auto source = open();
    failing_reads = 100;
    std::stop_source stop;
    on_repair = [&] { stop.request_stop(); };
    std::vector<std::byte> buffer(512);
    EXPECT_EQ(error_of([&] { source.read(0, buffer, stop.get_token()); }).code(), ErrorCode::cancelled);
}

TEST_F(Reconnecting, ARefusedLoginEndsTheReading) {
    auto source = open();
    failing_reads = 100;
    on_repair = [] { throw Error(ErrorCode::unauthenticated, "InvalidLogin"); };
    std::vector<std::byte> buffer(512);
    EXPECT_EQ(error_of([&] { source.read(0, buffer, {}); }).code(), ErrorCode::unauthenticated);
    EXPECT_EQ(opened, 1);
}

}  // namespace
}  // namespace mk::vsphere

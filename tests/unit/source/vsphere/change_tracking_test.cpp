#include "source/vsphere/change_tracking.hpp"

#include <gmock/gmock.h>

#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Bytes far_beyond = ~Bytes{0};

TEST(ChangedAreas, AnEmptyWindowIsNotTheEnd) {
    std::vector<Bytes> asked;
    const auto areas = collect_areas(300, [&](Bytes start) -> AreaWindow {
        asked.push_back(start);
        return {start, 100, start == 200 ? std::vector<Range>{{250, 10}} : std::vector<Range>{}};
    });
    EXPECT_THAT(asked, ElementsAre(0, 100, 200));
    EXPECT_THAT(areas, ElementsAre(Range{250, 10}));
}

TEST(ChangedAreas, NeverAsksAtOrBeyondTheCapacity) {
    int calls = 0;
    const auto areas = collect_areas(1000, [&](Bytes start) -> AreaWindow {
        ++calls;
        return {start, 1 << 20, {{0, 5000}}};
    });
    EXPECT_EQ(calls, 1);
    EXPECT_THAT(areas, ElementsAre(Range{0, 1000}));
    EXPECT_THAT(collect_areas(0, [](Bytes) -> AreaWindow { throw std::logic_error("asked for nothing"); }), IsEmpty());
}

TEST(ChangedAreas, AWindowThatDoesNotAdvanceOrFollowOnIsCorrupt) {
    const std::vector<AreaWindow> wrong{{0, 0, {}}, {512, 1000, {}}};
    for (const auto& window : wrong) {
        const auto error = error_of([&] { collect_areas(1000, [&](Bytes) { return window; }); });
        EXPECT_EQ(error.code(), ErrorCode::corrupt);
        EXPECT_EQ(error.native(), "ChangedAreasIncomplete");
    }
    // A later answer that jumps back would leave a hole as well.
    EXPECT_EQ(error_of([] { collect_areas(1000, [](Bytes) -> AreaWindow { return {0, 500, {}}; }); }).code(),
              ErrorCode::corrupt);
}

TEST(ChangedAreas, AreSortedMergedAndClipped) {
    EXPECT_THAT(normalised({{300, 50}, {0, 100}, {100, 20}, {310, 10}, {900, 500}, {1000, 10}, {500, 0}}, 1000),
                ElementsAre(Range{0, 120}, Range{300, 50}, Range{900, 100}));
    EXPECT_THAT(normalised({{10, far_beyond}, {far_beyond, far_beyond}}, 1000), ElementsAre(Range{10, 990}));
    EXPECT_THAT(normalised({{0, 100}, {50, 100}}, 1000), ElementsAre(Range{0, 150}));
}

TEST(ChangedAreas, TwoThousandAreasInAWindowAreAllKept) {
    constexpr Bytes step = 128 * KiB;
    const auto areas = collect_areas(4000 * step, [&](Bytes start) -> AreaWindow {
        AreaWindow window{start, 2000 * step, {}};
        for (Bytes i = 0; i < 2000; ++i) {
            window.areas.push_back({start + i * step, 64 * KiB});
        }
        return window;
    });
    EXPECT_EQ(areas.size(), 4000U);
    EXPECT_EQ(areas.back(), (Range{3999 * step, 64 * KiB}));
}

TEST(ChangedAreas, MoreThanAreWorthAnIncrementLeadToAFullCopy) {
    constexpr Bytes step = 128 * KiB;
    AreaWindow window{0, MiB * step, std::vector<Range>(MiB, Range{0, 1})};
    const auto error = error_of([&] {
        collect_areas(Bytes{64} * MiB * step, [&](Bytes start) {
            window.start = start;
            return window;
        });
    });
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_EQ(error.native(), "ChangeTrackingReset");
}

class AreaQueries : public testing::Test {
  protected:
    std::vector<Range> ask(const std::string& since) {
        return query_areas(*session, {vm_reference("vm-1"), {"VirtualMachineSnapshot", "s-1"}, 2000, 1 * MiB, since},
                           {});
    }
    void answers(http::Response response) {
        server->only("QueryChangedDiskAreas", [response](const auto&) { return response; });
    }

    std::shared_ptr<FakeServer> server = std::make_shared<FakeServer>();
    std::unique_ptr<Session> session = open_session(server);
};

TEST_F(AreaQueries, ReadTheServersAnswer) {
    answers(
        FakeServer::returnval("QueryChangedDiskAreas",
                              "<returnval><startOffset>0</startOffset><length>1048576</length>"
                              "<changedArea><start>65536</start><length>65536</length></changedArea>"
                              "<changedArea><start>131072</start><length>65536</length></changedArea></returnval>"));
    EXPECT_THAT(ask("52 3c/7"), ElementsAre(Range{65536, 131072}));
}

TEST_F(AreaQueries, AnAnswerWithoutLengthIsCorrupt) {
    for (const char* content :
         {"", "<returnval/>", "<returnval><startOffset>0</startOffset><length>-5</length></returnval>",
          "<returnval><startOffset>0</startOffset><length>ten</length></returnval>"}) {
        answers(FakeServer::returnval("QueryChangedDiskAreas", content));
        EXPECT_EQ(error_of([&] { ask("x/1"); }).code(), ErrorCode::corrupt) << content;
    }
}

TEST_F(AreaQueries, ARefusedIdMeansThatTrackingWasReset) {
    for (const auto& fault :
         {FakeServer::fault("FileFault"), FakeServer::fault("NotFound"), FakeServer::fault("FileNotFound"),
          FakeServer::fault("InvalidArgument", "<invalidProperty>changeId</invalidProperty>"),
          FakeServer::fault("InvalidArgument", "<invalidProperty>deviceKey</invalidProperty>")}) {
        answers(fault);
        const auto error = error_of([&] { ask("x/1"); });
        EXPECT_EQ(error.code(), ErrorCode::corrupt);
        EXPECT_EQ(error.native(), "ChangeTrackingReset");
    }
}

TEST_F(AreaQueries, OtherFaultsKeepTheirMeaning) {
    answers(FakeServer::fault("InvalidArgument", "<invalidProperty>startOffset</invalidProperty>"));
    EXPECT_EQ(error_of([&] { ask("x/1"); }).native(), "InvalidArgument");
    answers(FakeServer::fault("NoPermission", "<privilegeId>P</privilegeId>"));
    EXPECT_EQ(error_of([&] { ask("*"); }).code(), ErrorCode::forbidden);
}

TEST_F(AreaQueries, AnUnknownAllocationIsTheWholeDisk) {
    answers(FakeServer::fault("FileFault"));
    EXPECT_THAT(ask("*"), ElementsAre(Range{0, 1 * MiB}));
}

TEST(ChangeId, ItsTrackingPartIsBeforeTheSlash) {
    EXPECT_EQ(tracking_uuid_of("52 3c 10/7"), "52 3c 10");
    EXPECT_EQ(tracking_uuid_of(""), "");
}

}  // namespace
}  // namespace mk::vsphere

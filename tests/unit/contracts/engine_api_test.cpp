#include "contracts/engine_api.hpp"

#include "unit/contracts/wire.hpp"

namespace mk::contracts::test {
namespace {

TEST(EngineContract, EveryEventIsOneLineAndComesBack) {
    const std::vector<EngineEvent> events{
        EngineProgress{"Copying", "incremental", 1, 2, 3, "read", "the reader is gone", {{DiskId{"disk-2000"}, 10, 5}}},
        EngineSnapshot{"snapshot-1", "migratekit-job\n-1"},
        EngineDigests{DiskId{"disk-2000"}, {{{0, 512}, a_digest}}},
        EngineDifferences{DiskId{"disk-2000"}, {{0, 512}, {4096, 512}}},
        EngineResult{a_result()},
        EngineError{to_json(Error(ErrorCode::cancelled, "stopped"))},
    };
    for (const EngineEvent& event : events) {
        const std::string line = engine_event_line(event);
        EXPECT_EQ(line.find('\n'), std::string::npos);
        EXPECT_EQ(engine_event_from(line).index(), event.index());
        EXPECT_EQ(engine_event_line(engine_event_from(line)), line);
    }
}

TEST(EngineContract, ADigestEventFitsIntoALine) {
    EngineDigests event{DiskId{"disk-2000"}, {}};
    event.digests.assign(digests_per_event, {{~0ULL, ~0ULL}, std::string(32, 'f')});
    EXPECT_LT(engine_event_line(event).size(), 60 * KiB);
}

TEST(EngineContract, ADifferencesEventFitsIntoALine) {
    EngineDifferences event{DiskId{"disk-2000"}, {}};
    event.ranges.assign(differences_per_event, {~0ULL, ~0ULL});
    EXPECT_LT(engine_event_line(event).size(), 60 * KiB);
    event.ranges = {{1, 2}, {~0ULL, 3}};
    const auto back = std::get<EngineDifferences>(engine_event_from(engine_event_line(event)));
    EXPECT_EQ(back.disk_id.value, "disk-2000");
    EXPECT_EQ(back.ranges, event.ranges);
}

TEST(EngineContract, ACommandIsOneLineAndComesBack) {
    for (const Bytes limit : {Bytes{0}, Bytes{1}, 5 * GiB, ~Bytes{0}}) {
        const std::string line = engine_command_line({.bytes_per_second = limit});
        EXPECT_EQ(line.find('\n'), std::string::npos);
        EXPECT_EQ(engine_command_from(line).bytes_per_second, limit);
    }
    for (const char* line : {"", "stop", "[]", "{}", R"({"bytes_per_second":-1})", R"({"bytes_per_second":"1"})"}) {
        EXPECT_EQ(code_of([&] { engine_command_from(line); }), ErrorCode::invalid) << line;
    }
}

TEST(EngineContract, AnEngineThatSaysLittleIsUnderstood) {
    const auto progress = std::get<EngineProgress>(engine_event_from(R"({"type":"progress","stage":"Connecting"})"));
    EXPECT_EQ(progress.wire_bytes, 0U);
    EXPECT_EQ(progress.bottleneck, "");
    EXPECT_EQ(progress.trouble, "");
    EXPECT_TRUE(progress.disks.empty());
}

TEST(EngineContract, RefusesForeignLines) {
    for (const char* line : {"", "nonsense", "{}", R"({"type":"dance"})", R"({"type":"snapshot"})", "[1]",
                             R"({"type":"differences","disk_id":"d","ranges":[[1]]})",
                             R"({"type":"differences","disk_id":"d","ranges":[[-1,5]]})"}) {
        EXPECT_THROW(engine_event_from(line), Error) << line;
    }
}

}  // namespace
}  // namespace mk::contracts::test

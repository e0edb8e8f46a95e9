#include "contracts/vma_api.hpp"

#include "unit/contracts/wire.hpp"

namespace mk::contracts::test {
namespace {

TEST(VmaContract, PassRequestRoundTrip) {
    const PassRequest request = a_request();
    const PassRequest back = pass_request_from(wire(to_json(request)));
    EXPECT_EQ(text(back), text(request));
    EXPECT_EQ(back.vcenter.password.reveal(), "s3cret\"\\");
    EXPECT_EQ(back.disks.at(0).base_capacity, 7 * GiB + 512);
    EXPECT_TRUE(back.disks.at(0).target_is_zero);
    EXPECT_TRUE(back.disks.at(0).target_has_writes);
    EXPECT_EQ(back.attempt, 3);
    EXPECT_EQ(back.compare_percent, 5);
    EXPECT_TRUE(back.only_compare);
    EXPECT_EQ(back.priority, -20);
    EXPECT_EQ(back.bytes_per_second, 100 * MiB);
}

TEST(VmaContract, APassIsAFirstAttemptThatComparesNothingUnlessToldOtherwise) {
    Json json = to_json(a_request());
    for (const char* field : {"attempt", "compare_percent", "only_compare", "priority", "bytes_per_second"}) {
        json.erase(field);
    }
    json["disks"][0].erase("target_has_writes");
    const PassRequest request = pass_request_from(json);
    EXPECT_EQ(request.attempt, 1);
    EXPECT_EQ(request.compare_percent, 0);
    EXPECT_FALSE(request.only_compare);
    EXPECT_EQ(request.priority, 0);
    EXPECT_EQ(request.bytes_per_second, 0U);
    EXPECT_FALSE(request.disks.at(0).target_has_writes);
}

TEST(VmaContract, FiguresOfAPassHaveBounds) {
    const std::vector<std::pair<const char*, std::vector<Json>>> wrong{
        {"attempt", {0, -1, 1'000'001, 1.5, "1", true, 1ULL << 40}},
        {"compare_percent", {-1, 101, 0.5}},
        {"only_compare", {1, "yes"}},
        {"priority", {-101, 101, "high"}},
        {"bytes_per_second", {-1, 1, 65535, 1e6, "fast"}},
    };
    for (const auto& [field, values] : wrong) {
        for (const Json& value : values) {
            Json json = to_json(a_request());
            json[field] = value;
            EXPECT_EQ(code_of([&] { pass_request_from(json); }), ErrorCode::invalid) << field << " " << value;
        }
    }
    for (const auto& [field, values] : std::vector<std::pair<const char*, std::vector<Json>>>{
             {"attempt", {1, 1'000'000}},
             {"compare_percent", {1, 100}},
             {"priority", {-100, 100}},
             {"bytes_per_second", {0, 65536, ~0ULL}},
         }) {
        for (const Json& value : values) {
            Json json = to_json(a_request());
            json[field] = value;
            EXPECT_NO_THROW(pass_request_from(json)) << field << " " << value;
        }
    }
}

TEST(VmaContract, ComparingOnlyNeedsToCompareSomething) {
    Json json = to_json(a_request());
    json["compare_percent"] = 0;
    const Error error = error_of([&] { pass_request_from(json); });
    EXPECT_NE(error.cause().find("compare_percent"), std::string::npos);
}

TEST(VmaContract, RateLimitRoundTripAndBounds) {
    EXPECT_EQ(rate_limit_from(wire(to_json(RateLimit{5 * MiB}))).bytes_per_second, 5 * MiB);
    EXPECT_EQ(rate_limit_from(Json{{"bytes_per_second", 0}}).bytes_per_second, 0U);
    EXPECT_EQ(rate_limit_from(Json{{"bytes_per_second", least_bytes_per_second}}).bytes_per_second, 64 * KiB);
    for (const Json& wrong : {Json::object(), Json{{"bytes_per_second", nullptr}}, Json{{"bytes_per_second", 1}},
                              Json{{"bytes_per_second", 65535}}, Json{{"bytes_per_second", -5}}, Json("text")}) {
        EXPECT_EQ(code_of([&] { rate_limit_from(wrong); }), ErrorCode::invalid) << wrong;
    }
}

TEST(VmaContract, DigestedRangesAreWholeAndSmall) {
    const auto range = [](const Json& offset, const Json& length, const std::string& digest) {
        return Json{{"offset", offset}, {"length", length}, {"digest", digest}};
    };
    const DigestedRange back = digested_range_from(range(1ULL << 45, 32 * MiB, a_digest));
    EXPECT_EQ(back.range.offset, 1ULL << 45);
    EXPECT_EQ(back.range.length, 32 * MiB);
    EXPECT_EQ(back.digest, a_digest);
    const std::vector<Json> wrong{
        range(0, 0, a_digest),
        range(0, 32 * MiB + 1, a_digest),
        range(-1, 512, a_digest),
        range(~0ULL, 1, a_digest),
        range(0, 512, ""),
        range(0, 512, a_digest.substr(1)),
        range(0, 512, a_digest + "0"),
        range(0, 512, "00112233445566778899AABBCCDDEEFF"),
        range(0, 512, "00112233445566778899aabbccddeefg"),
        Json{{"offset", 0}, {"length", 512}, {"sha256", a_digest}},
        Json::array(),
    };
    for (const Json& each : wrong) {
        EXPECT_EQ(code_of([&] { digested_range_from(each); }), ErrorCode::invalid) << each;
    }
}

TEST(VmaContract, PassResultRoundTrip) {
    const PassResult back = pass_result_from(wire(to_json(a_result())));
    EXPECT_EQ(text(back), text(a_result()));
    EXPECT_EQ(back.wire_bytes, 8U);
    EXPECT_EQ(back.disks.at(0).resumed, 6U);
    EXPECT_EQ(back.disks[0].compared, 7U);
    EXPECT_EQ(back.disks[0].differences, (std::vector<Range>{{512, 1024}, {1ULL << 41, 5 * GiB}}));
}

TEST(VmaContract, DifferencesAreRanges) {
    for (const Json& wrong :
         {Json{{"offset", 0}}, Json{{"offset", 0}, {"length", 0}}, Json{{"offset", ~0ULL}, {"length", 2}}}) {
        Json json = to_json(a_result());
        json["disks"][0]["differences"] = Json::array({wrong});
        EXPECT_EQ(code_of([&] { pass_result_from(json); }), ErrorCode::invalid) << wrong;
    }
    Json json = to_json(a_result());
    json["disks"][0]["differences"] = "none";
    EXPECT_EQ(code_of([&] { pass_result_from(json); }), ErrorCode::invalid);
    json["disks"][0].erase("differences");
    EXPECT_TRUE(pass_result_from(json).disks.at(0).differences.empty());
}

TEST(VmaContract, PassRequestRefusesWhatIsMissingOrUnknown) {
    for (const char* field : {"job_id", "vcenter", "username", "password", "moref", "disks"}) {
        Json json = to_json(a_request());
        json.erase(field);
        EXPECT_THROW(pass_request_from(json), Error) << field;
    }
    Json json = to_json(a_request());
    json["quiesce"] = "perhaps";
    EXPECT_THROW(pass_request_from(json), Error);
    json = to_json(a_request());
    json["disks"] = Json::array();
    EXPECT_THROW(pass_request_from(json), Error);
    EXPECT_THROW(pass_request_from(Json("text")), Error);
}

TEST(VmaContract, PassProgressRoundTrip) {
    PassProgress progress{.job_id = JobId{"job-1"},
                          .state = "running",
                          .stage = "Copying",
                          .sync_type = "initial",
                          .percent = 11.1,
                          .total_bytes = 18 * GiB,
                          .done_bytes = 2 * GiB,
                          .sent_bytes = 1,
                          .zeroed_bytes = 2,
                          .wire_bytes = 3,
                          .bottleneck = "tunnel",
                          .trouble = "the connection to the target was lost",
                          .attempt = 2,
                          .bytes_per_second = 3.5,
                          .eta_seconds = 61,
                          .stalled_seconds = 75,
                          .heartbeat_ms = 1'700'000'000'000,
                          .disks = {{DiskId{"disk-2000"}, 18 * GiB, 2 * GiB}},
                          .result = std::nullopt,
                          .error = std::nullopt};
    EXPECT_EQ(text(pass_progress_from(wire(to_json(progress)))), text(progress));
    progress.eta_seconds = std::nullopt;
    progress.result = a_result();
    progress.error = to_json(Error(ErrorCode::timeout, "late"));
    const PassProgress back = pass_progress_from(wire(to_json(progress)));
    EXPECT_EQ(text(back), text(progress));
    EXPECT_FALSE(back.eta_seconds);
    EXPECT_EQ(back.stalled_seconds, 75);
    EXPECT_EQ(back.attempt, 2);
    EXPECT_EQ(back.wire_bytes, 3U);
    EXPECT_EQ(back.bottleneck, "tunnel");
    EXPECT_EQ(back.trouble, "the connection to the target was lost");
    EXPECT_EQ(back.result->disks.at(0).digests.at(1).range.offset, 1ULL << 42);
}

TEST(VmaContract, PowerRoundTrip) {
    const PowerRequest request{.vcenter = a_request().vcenter, .moref = "vm-1", .action = "power_off"};
    EXPECT_EQ(text(power_request_from(wire(to_json(request)))), text(request));
    Json json = to_json(request);
    json["action"] = "explode";
    EXPECT_THROW(power_request_from(json), Error);
    const PowerState state{.power_state = "poweredOff", .tools_running = true};
    EXPECT_EQ(text(power_state_from(wire(to_json(state)))), text(state));
}

TEST(VmaContract, SnapshotsRoundTrip) {
    const SourceSnapshot snapshot{.machine_moref = "vm-1",
                                  .machine_name = "web",
                                  .instance_uuid = "5000",
                                  .moref = "snapshot-7",
                                  .name = "migratekit-j",
                                  .job_id = JobId{"j"},
                                  .appliance_id = "vma",
                                  .created_ms = 1'767'225'600'000};
    const auto back = source_snapshot_from(wire(to_json(snapshot)));
    EXPECT_EQ(to_json(back), to_json(snapshot));
    EXPECT_EQ(back.job_id, JobId{"j"});
    EXPECT_EQ(back.created_ms, snapshot.created_ms);

    SnapshotRemoval removal;
    removal.vcenter = {.url = "vc", .username = "u", .password = Secret("p"), .certificate_sha256 = ""};
    removal.moref = "vm-1";
    auto json = to_json(removal);
    EXPECT_THROW(snapshot_removal_from(json), Error) << "which snapshot is not said";
    json["snapshot_moref"] = "snapshot-7";
    EXPECT_EQ(snapshot_removal_from(wire(json)).snapshot_moref, "snapshot-7");
}

TEST(VmaContract, ErrorKeepsItsAdvice) {
    const Error error = Error(ErrorCode::exhausted, "full", {"nothing lost", "make room", true}).with_native("ENOSPC");
    const Error back = error_from(wire(to_json(error)));
    EXPECT_EQ(back.code(), ErrorCode::exhausted);
    EXPECT_EQ(back.cause(), "full");
    EXPECT_EQ(back.advice().consequence, "nothing lost");
    EXPECT_EQ(back.advice().remedy, "make room");
    EXPECT_TRUE(back.advice().retry_safe);
    EXPECT_EQ(back.native(), "ENOSPC");
}

}  // namespace
}  // namespace mk::contracts::test

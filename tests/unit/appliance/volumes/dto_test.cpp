#include "appliance/volumes/dto.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_of.hpp"

namespace mk::volumes_api {
namespace {

using test::code_of;

TEST(Dto, ASessionTellsHowItIsReachedAndWhatItBeganOn) {
    volumes::WriteSessionView view;
    view.row.id = WriteSessionId{"abc"};
    view.row.state = "open";
    view.row.target_is_zero = true;
    view.nbd_uri = "nbd://127.0.0.1:10809/abc";
    view.export_name = "abc";
    view.has_writes = false;
    const auto session = to_contract(view);
    EXPECT_EQ(session.nbd_uri, view.nbd_uri);
    EXPECT_EQ(session.export_name, "abc");
    EXPECT_TRUE(session.target_is_zero);
    EXPECT_FALSE(session.has_writes);
}

TEST(Dto, ARangeToVerifyCarriesARunDigest) {
    const std::string digest(32, 'a');
    const auto ranges =
        range_digests_from({{"ranges", Json::array({{{"offset", 512}, {"length", 1024}, {"digest", digest}}})}});
    ASSERT_EQ(ranges.size(), 1u);
    EXPECT_EQ(ranges[0].range, (Range{512, 1024}));
    EXPECT_EQ(ranges[0].digest, digest);
}

TEST(Dto, WhatIsNoDigestIsRefused) {
    for (const auto& wrong : {std::string(64, 'a'), std::string(31, 'a'), std::string(32, 'g'), std::string()}) {
        const Json body{{"ranges", Json::array({{{"offset", 0}, {"length", 512}, {"digest", wrong}}})}};
        EXPECT_EQ(code_of([&] { range_digests_from(body); }), ErrorCode::invalid) << wrong;
    }
    EXPECT_EQ(code_of([&] { range_digests_from({{"ranges", 5}}); }), ErrorCode::invalid);
}

TEST(Dto, AVolumeTellsWhatItWasMadeFrom) {
    volumes::VolumeView view;
    view.row.id = VolumeId{"v"};
    EXPECT_FALSE(to_contract(view).clone_of);
    view.row.clone_of = VolumeId{"replica"};
    EXPECT_EQ(to_contract(view).clone_of, VolumeId{"replica"});
}

TEST(Dto, AVolumeOfAMachineTellsWhoseItIs) {
    const auto told =
        to_contract(volumes::MachineVolume{.id = VolumeId{"v"}, .type = "ROOT", .device_id = 0, .is_replica = true});
    EXPECT_TRUE(told.is_replica);
    EXPECT_FALSE(told.is_clone);
    EXPECT_EQ(told.device_id, 0);
    EXPECT_EQ(told.type, "ROOT");
}

}  // namespace
}  // namespace mk::volumes_api

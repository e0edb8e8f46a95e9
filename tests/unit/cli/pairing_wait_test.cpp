#include "cli/pairing_wait.hpp"

#include <gtest/gtest.h>

namespace mk::cli {
namespace {

Json answer(const std::vector<Json>& appliances) {
    return {{"appliances", appliances}, {"open_invitations", 1}};
}

Json appliance(const char* id, const char* paired_at) {
    return {{"appliance_id", id}, {"paired_at", paired_at}, {"reachable", false}};
}

TEST(PairingWait, KnowsWhoIsNew) {
    const auto before = answer({appliance("a", "2026-01-01T00:00:00.000Z")});
    EXPECT_FALSE(newly_paired(before, before));
    EXPECT_FALSE(newly_paired(before, answer({})));

    const auto after = answer({appliance("a", "2026-01-01T00:00:00.000Z"), appliance("b", "2026-01-02T00:00:00.000Z")});
    EXPECT_EQ(newly_paired(before, after)->at("appliance_id"), "b");
    EXPECT_EQ(newly_paired(answer({}), before)->at("appliance_id"), "a");
}

TEST(PairingWait, AnApplianceThatIsPairedAgainIsNew) {
    EXPECT_TRUE(newly_paired(answer({appliance("a", "2026-01-01T00:00:00.000Z")}),
                             answer({appliance("a", "2026-01-02T00:00:00.000Z")})));
}

TEST(PairingWait, HowItIsAtTheMomentMakesNobodyNew) {
    auto later = appliance("a", "2026-01-01T00:00:00.000Z");
    later["reachable"] = true;
    EXPECT_FALSE(newly_paired(answer({appliance("a", "2026-01-01T00:00:00.000Z")}), answer({later})));
}

}  // namespace
}  // namespace mk::cli

#include "model/machine_name.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

using mk::cloud_machine_name;

TEST(MachineName, FollowsTheTableOfTheInventory) {
    EXPECT_EQ(cloud_machine_name("PhilB Test machine"), "philb-test-machine");
    EXPECT_EQ(cloud_machine_name("123 Server"), "vm-123-server");
    EXPECT_EQ(cloud_machine_name("My_VM@2025"), "my-vm-2025");
    EXPECT_EQ(cloud_machine_name("VM-123_Test@2025"), "vm-123-test-2025");
    EXPECT_EQ(cloud_machine_name("123StartWithDigit"), "vm-123startwithdigit");
    EXPECT_EQ(cloud_machine_name("pgtest2"), "pgtest2");
}

TEST(MachineName, TrimsTheEnds) {
    EXPECT_EQ(cloud_machine_name("--web--"), "web");
    EXPECT_EQ(cloud_machine_name("  (web) "), "web");
    EXPECT_EQ(cloud_machine_name("\xC3\xBC"
                                 "ber"),
              "ber");
}

TEST(MachineName, FitsInto63Characters) {
    EXPECT_EQ(cloud_machine_name(std::string(63, 'a')), std::string(63, 'a'));
    EXPECT_EQ(cloud_machine_name(std::string(64, 'a')), std::string(63, 'a'));
    EXPECT_EQ(cloud_machine_name(std::string(62, 'a') + "-b"), std::string(62, 'a'));
    EXPECT_EQ(cloud_machine_name(std::string(80, '1')).size(), 63U);
}

TEST(MachineName, KeepsTheSuffixWhole) {
    EXPECT_EQ(cloud_machine_name("web", "test"), "web-test");
    EXPECT_EQ(cloud_machine_name("web", "-test-7"), "web-test-7");
    const std::string cut = cloud_machine_name(std::string(80, 'a'), "test-1");
    EXPECT_EQ(cut.size(), 63U);
    EXPECT_TRUE(cut.ends_with("a-test-1"));
}

TEST(MachineName, RefusesWhatLeavesNothing) {
    for (const char* name : {"", "---", "\xE6\x97\xA5\xE6\x9C\xAC", "@@"}) {
        EXPECT_THROW(cloud_machine_name(name), mk::Error) << name;
    }
    EXPECT_THROW(cloud_machine_name("web", std::string(70, 'x')), mk::Error);
}

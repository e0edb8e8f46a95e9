#include "cli/names.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"

namespace mk::cli {
namespace {

std::string resolve(const std::string& words) {
    return resolve_name("job", words, {"0190a2", "0190a2b4", "0191ff", "77"}, "migratekit job list");
}

TEST(Names, TakesAWholeNameEvenWhenItBeginsOthers) {
    EXPECT_EQ(resolve("0190a2"), "0190a2");
}

TEST(Names, TakesAUniquePrefix) {
    EXPECT_EQ(resolve("0191"), "0191ff");
    EXPECT_EQ(resolve("7"), "77");
}

TEST(Names, RefusesAnAmbiguousPrefixNamingTheCandidates) {
    const auto error = test::error_of([] { resolve("0190"); });

    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(error.cause().find("0190a2, 0190a2b4"), std::string::npos) << error.cause();
}

TEST(Names, SaysWhereToLook) {
    for (const auto* words : {"x", ""}) {
        const auto error = test::error_of([&] { resolve(words); });
        EXPECT_EQ(error.code(), ErrorCode::not_found);
        EXPECT_NE(error.advice().remedy.find("migratekit job list"), std::string::npos);
    }
}

TEST(Names, SplitsLists) {
    EXPECT_EQ(split_list({"a,b", "c", ",,"}), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_TRUE(split_list({}).empty());
}

}  // namespace
}  // namespace mk::cli

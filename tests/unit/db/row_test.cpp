#include <gtest/gtest.h>

#include "db/database.hpp"
#include "support/error_of.hpp"

namespace mk::db {
namespace {

using test::code_of;
using test::error_of;

Row row_of(const Value& value) {
    return Row(std::make_shared<std::vector<std::string>>(std::vector<std::string>{"x"}), {value});
}

TEST(Row, NumbersMayComeAsTextOrWholeReals) {
    EXPECT_EQ(row_of(std::int64_t{-5}).number("x"), -5);
    EXPECT_EQ(row_of(std::string("9223372036854775807")).number("x"), 9223372036854775807);
    EXPECT_EQ(row_of(12.0).number("x"), 12);
    EXPECT_TRUE(row_of(std::string("1")).flag("x"));
    EXPECT_FALSE(row_of(std::int64_t{0}).flag("x"));
}

TEST(Row, WhatIsNoWholeNumberIsRefused) {
    for (const Value& value : {Value("12a"), Value(""), Value("1.5"), Value(1.5), Value(1e300), Value(nullptr),
                               Value("9223372036854775808")}) {
        const Error error = error_of([&] { row_of(value).number("x"); });
        EXPECT_EQ(error.code(), ErrorCode::internal);
        EXPECT_NE(error.cause().find("'x'"), std::string::npos);
    }
}

TEST(Row, RealsMayComeAsAnyNumber) {
    EXPECT_EQ(row_of(0.5).real("x"), 0.5);
    EXPECT_EQ(row_of(std::int64_t{2}).real("x"), 2.0);
    EXPECT_EQ(row_of(std::string("2.5")).real("x"), 2.5);
    EXPECT_EQ(code_of([] { row_of(std::string("a")).real("x"); }), ErrorCode::internal);
}

TEST(Row, TextMustBeText) {
    EXPECT_EQ(row_of(std::string("a")).text("x"), "a");
    EXPECT_EQ(code_of([] { row_of(std::int64_t{1}).text("x"); }), ErrorCode::internal);
    EXPECT_EQ(code_of([] { row_of(nullptr).text("x"); }), ErrorCode::internal);
}

TEST(Row, NullIsNothing) {
    EXPECT_TRUE(row_of(nullptr).is_null("x"));
    EXPECT_EQ(row_of(nullptr).text_or_null("x"), std::nullopt);
    EXPECT_EQ(row_of(nullptr).number_or_null("x"), std::nullopt);
    EXPECT_EQ(row_of(std::string("7")).number_or_null("x"), 7);
    EXPECT_TRUE(std::holds_alternative<std::nullptr_t>(value_of(std::optional<std::string>())));
}

TEST(Row, UnknownAndAmbiguousColumnsAreRefused) {
    EXPECT_EQ(code_of([] { row_of(std::int64_t{1}).number("y"); }), ErrorCode::internal);
    const Row twice(std::make_shared<std::vector<std::string>>(std::vector<std::string>{"id", "id"}),
                    {std::int64_t{1}, std::int64_t{2}});
    EXPECT_EQ(code_of([&] { twice.number("id"); }), ErrorCode::internal);
}

}  // namespace
}  // namespace mk::db

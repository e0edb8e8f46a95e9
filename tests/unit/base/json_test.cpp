#include "base/json.hpp"

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "support/error_of.hpp"

namespace mk {
namespace {

using test::code_of;
using test::error_of;

std::string nested(std::size_t levels, const std::string& open, const std::string& close) {
    std::string text;
    for (std::size_t i = 0; i < levels; ++i) {
        text += open;
    }
    text += "1";
    for (std::size_t i = 0; i < levels; ++i) {
        text += close;
    }
    return text;
}

TEST(Json, ReadsAndWritesTheSame) {
    const std::string text = R"({"a":[1,2.5,true,null],"b":"ü"})";
    EXPECT_EQ(json::dump(json::parse(text)), text);
}

TEST(Json, NestingIsLimitedTo64) {
    EXPECT_NO_THROW(json::parse(nested(64, "[", "]")));
    EXPECT_EQ(code_of([] { json::parse(nested(65, "[", "]")); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([] { json::parse(nested(65, "{\"a\":", "}")); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([] { json::parse(nested(100'000, "[", "]")); }), ErrorCode::invalid);
}

TEST(Json, FaultNamesLineAndColumn) {
    const Error error = error_of([] { json::parse("{\n  \"a\": tru\n}"); });
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.cause().find("line 2, column 11"), std::string::npos) << error.cause();
}

TEST(Json, TextThatEndsTooEarlySaysSo) {
    for (const char* text : {"", "{", "[1,", "\"abc"}) {
        EXPECT_NE(error_of([&] { json::parse(text); }).cause().find("ends too early"), std::string::npos) << text;
    }
}

TEST(Json, FaultDoesNotRepeatTheText) {
    const Error error = error_of([] {
        json::parse(R"({"password": "hunter2)"
                    "\n");
    });
    EXPECT_EQ(error.cause().find("hunter2"), std::string::npos);
}

TEST(Json, ForeignBytesAreRefusedWhenReadAndReplacedWhenWritten) {
    EXPECT_EQ(code_of([] { json::parse("\"\xff\""); }), ErrorCode::invalid);
    EXPECT_EQ(json::dump(Json("a\xff")), "\"a\xEF\xBF\xBD\"");
}

TEST(Json, NumberOutOfRangeIsRefused) {
    EXPECT_EQ(code_of([] { json::parse("1e999"); }), ErrorCode::invalid);
}

TEST(JsonFields, RequiredFieldIsNamedWhenItIsMissingNullOrOfAnotherType) {
    const Json object = json::parse(R"({"name":"a","none":null,"count":3})");
    EXPECT_EQ(json::require<std::string>(object, "name"), "a");
    for (const char* field : {"absent", "none", "count"}) {
        const Error error = error_of([&] { json::require<std::string>(object, field); });
        EXPECT_EQ(error.code(), ErrorCode::invalid);
        EXPECT_NE(error.cause().find(field), std::string::npos);
    }
    EXPECT_EQ(code_of([] { json::require<int>(Json(3), "x"); }), ErrorCode::invalid);
}

TEST(JsonFields, IntegersAreNeitherCutToSizeNorMadeOfSomethingElse) {
    const Json object = json::parse(R"({"minus":-1,"big":18446744073709551615,"part":1.5,"huge":1e300,"yes":true})");
    for (const char* field : {"minus", "part", "huge", "yes"}) {
        EXPECT_EQ(code_of([&] { json::require<std::uint64_t>(object, field); }), ErrorCode::invalid) << field;
    }
    for (const char* field : {"big", "part", "huge", "yes"}) {
        EXPECT_EQ(code_of([&] { json::require<std::int64_t>(object, field); }), ErrorCode::invalid) << field;
    }
    EXPECT_EQ(json::require<std::int64_t>(object, "minus"), -1);
    EXPECT_EQ(json::require<std::uint64_t>(object, "big"), 18446744073709551615u);
    EXPECT_EQ(json::require<double>(object, "part"), 1.5);
}

TEST(JsonFields, OptionalFieldIsNothingWhenAbsentOrNull) {
    const Json object = json::parse(R"({"none":null,"count":3})");
    EXPECT_EQ(json::find<int>(object, "absent"), std::nullopt);
    EXPECT_EQ(json::find<int>(object, "none"), std::nullopt);
    EXPECT_EQ(json::find<int>(object, "count"), 3);
    EXPECT_EQ(json::value_or<int>(object, "absent", 7), 7);
    EXPECT_EQ(code_of([&] { json::find<std::string>(object, "count"); }), ErrorCode::invalid);
    EXPECT_TRUE(json::or_null(std::optional<int>()).is_null());
}

}  // namespace
}  // namespace mk

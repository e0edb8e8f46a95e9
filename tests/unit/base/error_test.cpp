#include "base/error.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

#include "support/error_of.hpp"

namespace mk {
namespace {

using test::code_of;

TEST(Error, CodesHaveWordsThatLeadBack) {
    for (const char* word : {"invalid", "not_found", "conflict", "unauthenticated", "forbidden", "unavailable",
                             "timeout", "cancelled", "exhausted", "corrupt", "external", "internal"}) {
        EXPECT_EQ(to_string(error_code_from(word)), word);
    }
}

TEST(Error, UnknownWordIsRefused) {
    EXPECT_EQ(code_of([] { error_code_from("sour"); }), ErrorCode::invalid);
}

TEST(Error, ContextIsPutInFrontAndTheRestStays) {
    const Error inner = Error(ErrorCode::timeout, "no answer", {"Unknown.", "Look.", true}).with_native("28");
    const Error outer = inner.within("vCenter");
    EXPECT_STREQ(outer.what(), "vCenter: no answer");
    EXPECT_EQ(outer.code(), ErrorCode::timeout);
    EXPECT_EQ(outer.native(), "28");
    EXPECT_EQ(outer.advice().remedy, "Look.");
    EXPECT_TRUE(outer.advice().retry_safe);
}

TEST(Error, AdviceFillsOnlyWhatIsEmpty) {
    const Error error =
        Error(ErrorCode::conflict, "busy", {.remedy = "Wait."}).advised({"Nothing changed.", "Hurry.", true});
    EXPECT_EQ(error.advice().consequence, "Nothing changed.");
    EXPECT_EQ(error.advice().remedy, "Wait.");
}

TEST(Error, OuterAdviceDoesNotDeclareARetrySafeThatInnerAdviceDidNot) {
    const Advice outer{"", "", true};
    EXPECT_FALSE(Error(ErrorCode::conflict, "x", {"Half written.", "", false}).advised(outer).advice().retry_safe);
    EXPECT_TRUE(Error(ErrorCode::conflict, "x").advised(outer).advice().retry_safe);
}

TEST(Error, FullTextIsOneLineOfSentences) {
    EXPECT_EQ(Error(ErrorCode::conflict, "busy", {"Nothing changed.", "Wait.", true}).full_text(),
              "busy. Nothing changed. Wait.");
    EXPECT_EQ(Error(ErrorCode::conflict, "busy.").full_text(), "busy.");
}

TEST(Error, OnlyPassingFailuresAreRetryable) {
    EXPECT_TRUE(Error(ErrorCode::unavailable, "x").retryable());
    EXPECT_TRUE(Error(ErrorCode::timeout, "x").retryable());
    EXPECT_FALSE(Error(ErrorCode::conflict, "x").retryable());
    EXPECT_FALSE(Error(ErrorCode::cancelled, "x").retryable());
}

TEST(Error, ForeignExceptionsBecomeInternal) {
    const Error error = as_error(std::runtime_error("odd"));
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_EQ(error.cause(), "odd");
    EXPECT_EQ(as_error(Error(ErrorCode::corrupt, "c")).code(), ErrorCode::corrupt);
}

}  // namespace
}  // namespace mk

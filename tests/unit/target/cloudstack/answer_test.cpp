#include "target/cloudstack/answer.hpp"

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "support/error_of.hpp"

namespace mk::cloudstack {
namespace {

using test::error_of;

Error refusal(int status, const std::string& body) {
    return error_of([&] { open_envelope(status, body, "attachVolume"); });
}

TEST(Answer, TakesTheSingleKeyWhateverItsName) {
    EXPECT_EQ(open_envelope(200, R"({"anythingresponse":{"count":1}})", "listZones"), Json({{"count", 1}}));
    EXPECT_EQ(open_envelope(200, R"({"listzonesresponse":{}})", "listZones"), Json::object());
}

struct Row {
    int code;
    ErrorCode expected;
};

class ErrorTable : public testing::TestWithParam<Row> {};

TEST_P(ErrorTable, GivesEachCodeItsMeaning) {
    const auto [code, expected] = GetParam();
    const auto body =
        R"({"attachvolumeresponse":{"uuidList":[],"errorcode":)" + std::to_string(code) + R"(,"errortext":"why"}})";
    const auto error = refusal(code, body);
    EXPECT_EQ(error.code(), expected);
    EXPECT_EQ(error.native(), std::to_string(code));
    EXPECT_NE(error.cause().find("why"), std::string::npos);
    EXPECT_NE(error.cause().find("attachVolume"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Codes, ErrorTable,
    testing::Values(Row{400, ErrorCode::internal}, Row{401, ErrorCode::unauthenticated}, Row{405, ErrorCode::forbidden},
                    Row{411, ErrorCode::forbidden}, Row{429, ErrorCode::exhausted}, Row{430, ErrorCode::internal},
                    Row{431, ErrorCode::invalid}, Row{432, ErrorCode::forbidden}, Row{503, ErrorCode::unavailable},
                    Row{530, ErrorCode::external}, Row{531, ErrorCode::forbidden}, Row{532, ErrorCode::exhausted},
                    Row{533, ErrorCode::unavailable}, Row{534, ErrorCode::unavailable}, Row{535, ErrorCode::exhausted},
                    Row{536, ErrorCode::unavailable}, Row{537, ErrorCode::conflict}, Row{599, ErrorCode::external}));

TEST(Answer, KnowsAnUnknownUuidByItsText) {
    const auto body =
        R"({"x":{"errorcode":431,"errortext":"Invalid parameter id value=1 due to incorrect long value format, or entity does not exist"}})";
    EXPECT_EQ(refusal(431, body).code(), ErrorCode::not_found);
}

TEST(Answer, ReportsBothCausesOfA401) {
    const auto error =
        refusal(401, R"({"errorresponse":{"errorcode":401,"errortext":"unable to verify user credentials"}})");
    EXPECT_NE(error.advice().remedy.find("key"), std::string::npos);
    EXPECT_NE(error.advice().remedy.find("clock"), std::string::npos);
}

TEST(Answer, TreatsForeignAnswersAsUnavailable) {
    EXPECT_EQ(refusal(503, "<html>starting</html>").code(), ErrorCode::unavailable);
    EXPECT_EQ(refusal(200, "<html>login</html>").code(), ErrorCode::unavailable);
    EXPECT_EQ(refusal(404, "<html>no</html>").code(), ErrorCode::external);
    EXPECT_EQ(refusal(200, R"({"a":{},"b":{}})").code(), ErrorCode::unavailable);
    EXPECT_EQ(refusal(502, "<html>proxy</html>").native(), foreign_answer);
    EXPECT_EQ(refusal(404, "<html>no</html>").native(), "404");
    EXPECT_EQ(refusal(503, R"({"x":{"errorcode":503,"errortext":"shutting down"}})").native(), "503");
}

TEST(Answer, TakesAdviceThatFitsBetterThanTheTables) {
    const auto error =
        with_advice(cloudstack::error_of(530, "why", "deleteSnapshot"), {.remedy = "do this", .retry_safe = true});
    EXPECT_EQ(error.advice().remedy, "do this");
    EXPECT_TRUE(error.advice().retry_safe);
    EXPECT_EQ(error.native(), "530");
    EXPECT_EQ(error.code(), ErrorCode::external);
}

TEST(Answer, ReadsTheWaitOfARateLimit) {
    using std::chrono::milliseconds;
    EXPECT_EQ(wait_of_rate_limit("The given user has reached his/her account api limit, please retry after [1500] ms."),
              milliseconds{1500});
    EXPECT_EQ(wait_of_rate_limit("slow down"), milliseconds{1000});
}

}  // namespace
}  // namespace mk::cloudstack

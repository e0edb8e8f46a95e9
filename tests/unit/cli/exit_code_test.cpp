#include "cli/exit_code.hpp"

#include <gtest/gtest.h>

namespace mk::cli {
namespace {

TEST(ExitCode, FollowsTheTableOfTheDesign) {
    const std::pair<ErrorCode, int> table[] = {
        {ErrorCode::invalid, 2},     {ErrorCode::not_found, 3}, {ErrorCode::unauthenticated, 4},
        {ErrorCode::forbidden, 4},   {ErrorCode::conflict, 5},  {ErrorCode::cancelled, 130},
        {ErrorCode::unavailable, 1}, {ErrorCode::timeout, 1},   {ErrorCode::exhausted, 1},
        {ErrorCode::corrupt, 1},     {ErrorCode::external, 1},  {ErrorCode::internal, 1},
    };
    for (const auto& [code, expected] : table) {
        EXPECT_EQ(static_cast<int>(exit_code_of(Error(code, "x"))), expected) << to_string(code);
    }
}

TEST(ExitCode, TellsASilentOmaFromAnOmaThatReportsASilentPeer) {
    const Error silent_vcenter(ErrorCode::unavailable, "the vCenter does not answer");

    EXPECT_EQ(exit_code_of(silent_vcenter), ExitCode::failed);
    EXPECT_EQ(exit_code_of(silent_vcenter.with_native(std::string(unreachable_mark))), ExitCode::unreachable);
}

TEST(ExitCode, TellsHowAJobEnded) {
    EXPECT_EQ(static_cast<int>(exit_code_of_job("completed")), 0);
    EXPECT_EQ(static_cast<int>(exit_code_of_job("warning")), 7);
    EXPECT_EQ(static_cast<int>(exit_code_of_job("failed")), 6);
    EXPECT_EQ(static_cast<int>(exit_code_of_job("cancelled")), 6);
    EXPECT_EQ(static_cast<int>(exit_code_of_job("a word of tomorrow")), 6);
}

TEST(ExitCode, KeepsTheWorseNews) {
    EXPECT_EQ(worse(ExitCode::done, ExitCode::job_warning), ExitCode::job_warning);
    EXPECT_EQ(worse(ExitCode::job_warning, ExitCode::done), ExitCode::job_warning);
    EXPECT_EQ(worse(ExitCode::job_warning, ExitCode::job_failed), ExitCode::job_failed);
    EXPECT_EQ(worse(ExitCode::refused, ExitCode::job_warning), ExitCode::refused);
    EXPECT_EQ(worse(ExitCode::refused, ExitCode::job_failed), ExitCode::refused);
}

}  // namespace
}  // namespace mk::cli

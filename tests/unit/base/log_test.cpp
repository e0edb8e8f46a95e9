#include "base/log.hpp"

#include <algorithm>
#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace mk {
namespace {

std::string written(const std::function<void()>& action) {
    testing::internal::CaptureStderr();
    action();
    return testing::internal::GetCapturedStderr();
}

class Log : public testing::Test {
  protected:
    void TearDown() override { log::start("", log::Level::info); }
};

TEST_F(Log, LineHasProgramTimeLevelAndMessage) {
    log::start("oma-api");
    const std::string line = written([] { log::info("job={} done={}", "j1", 5); });
    EXPECT_TRUE(line.starts_with("oma-api 20")) << line;
    EXPECT_TRUE(line.ends_with("Z info job=j1 done=5\n")) << line;
}

TEST_F(Log, LowerLevelsAreDropped) {
    log::start("p", log::Level::warn);
    EXPECT_EQ(written([] { log::info("no"); }), "");
    EXPECT_NE(written([] { log::warn("yes"); }).find(" warning yes"), std::string::npos);
    EXPECT_NE(written([] { log::error("yes"); }).find(" error yes"), std::string::npos);
    log::start("p", log::Level::debug);
    EXPECT_NE(written([] { log::debug("yes"); }).find(" debug yes"), std::string::npos);
}

TEST_F(Log, ForeignTextCannotStartALineOfItsOwn) {
    log::start("100%n");
    const std::string line = written([] { log::info("a\nb\rc {}", "{}"); });
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_TRUE(line.ends_with("a\\nb?c {}\n")) << line;
    EXPECT_TRUE(line.starts_with("100%n ")) << line;
}

}  // namespace
}  // namespace mk

#include "os/line_splitter.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace mk::os {
namespace {

std::vector<std::string> lines_of(const std::vector<std::string>& pieces, std::size_t longest = 1024) {
    std::vector<std::string> lines;
    const auto collect = [&](const std::string& line) { lines.push_back(line); };
    LineSplitter splitter(longest);
    for (const std::string& piece : pieces) {
        splitter.add(piece, collect);
    }
    splitter.finish(collect);
    return lines;
}

using Lines = std::vector<std::string>;

TEST(LineSplitter, JoinsPiecesIntoLines) {
    EXPECT_EQ(lines_of({"on", "e\ntw", "o\n"}), (Lines{"one", "two"}));
    EXPECT_EQ(lines_of({}), Lines{});
}

TEST(LineSplitter, LastLineNeedsNoNewline) {
    EXPECT_EQ(lines_of({"one\ntwo"}), (Lines{"one", "two"}));
}

TEST(LineSplitter, EmptyLinesStay) {
    EXPECT_EQ(lines_of({"\n\na\n"}), (Lines{"", "", "a"}));
}

TEST(LineSplitter, CarriageReturnsOfProgressDisplaysEndLines) {
    EXPECT_EQ(lines_of({"1%\r2%\r\n3%", "\r", "\n4%\n"}), (Lines{"1%", "2%", "3%", "4%"}));
}

TEST(LineSplitter, EndlessLinesComeInPieces) {
    EXPECT_EQ(lines_of({"abcdefgh\n"}, 3), (Lines{"abc", "def", "gh"}));
}

}  // namespace
}  // namespace mk::os

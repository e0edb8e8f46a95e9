#include "cli/table.hpp"

#include <gtest/gtest.h>

namespace mk::cli {
namespace {

Table machines() {
    return {.columns = {{.title = "NAME", .flexible = true}, {"STATUS"}, {"DATA", true}, {.title = "ID", .wide = true}},
            .rows = {{"erp-02", "Cleanup required", "25.7 GiB", "ctx-1"}, {"app", "Ready", "1.0 GiB", "ctx-2"}},
            .empty_text = "No machines."};
}

TEST(Table, AlignsColumns) {
    EXPECT_EQ(render_text(machines(), false, 0),
              "NAME    STATUS                DATA\n"
              "erp-02  Cleanup required  25.7 GiB\n"
              "app     Ready              1.0 GiB\n");
}

TEST(Table, ShowsMoreColumnsWhenWide) {
    EXPECT_NE(render_text(machines(), true, 0).find("ctx-2"), std::string::npos);
    EXPECT_EQ(render_text(machines(), false, 0).find("ctx-2"), std::string::npos);
}

TEST(Table, CutsNamesButNeverStatusWordsInANarrowTerminal) {
    auto table = machines();
    table.rows[0][0] = "a-machine-with-a-very-long-name";

    const auto text = render_text(table, false, 40);

    EXPECT_NE(text.find("..."), std::string::npos);
    EXPECT_NE(text.find("Cleanup required"), std::string::npos);
    EXPECT_LE(text.find('\n'), 40U);
}

TEST(Table, CountsCharactersNotBytes) {
    Table table{.columns = {{"N"}, {"S"}}, .rows = {{"M\xC3\xBCnchen", "a"}, {"Muenche", "b"}}, .empty_text = {}};
    EXPECT_EQ(render_text(table, false, 0), "N        S\nM\xC3\xBCnchen  a\nMuenche  b\n");
    EXPECT_EQ(cut("\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC", 4), "\xC3\xBC...");
}

TEST(Table, LetsNoNameMoveTheCursor) {
    Table table{.columns = {{"N"}}, .rows = {{"x\x1b[2J\ny"}}, .empty_text = {}};
    EXPECT_EQ(render_text(table, false, 0), "N\nx?[2J?y\n");
    EXPECT_EQ(render_names(table), "x?[2J?y\n");
}

TEST(Table, SaysThatItIsEmpty) {
    auto table = machines();
    table.rows.clear();
    EXPECT_EQ(render_text(table, false, 0), "No machines.\n");
    EXPECT_EQ(render_names(table), "");
}

TEST(Table, WritesCsvThatSurvivesItsContents) {
    Table table{
        .columns = {{"A"}, {.title = "B", .wide = true}}, .rows = {{"x,y", "say \"no\"\nnow"}}, .empty_text = {}};
    EXPECT_EQ(render_csv(table), "A,B\r\n\"x,y\",\"say \"\"no\"\"\nnow\"\r\n");
}

TEST(Table, ListsNamesAlone) {
    EXPECT_EQ(render_names(machines()), "erp-02\napp\n");
}

}  // namespace
}  // namespace mk::cli

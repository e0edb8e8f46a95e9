#pragma once
// Rows for people and for scripts: aligned text, CSV, or the first column alone. Pure data and functions.

#include <string>
#include <string_view>
#include <vector>

namespace mk::cli {

struct Column {
    std::string title;
    bool right = false;     ///< aligned to the right: figures
    bool wide = false;      ///< shown with -o wide and csv only
    bool flexible = false;  ///< may be cut when the terminal is too narrow; status words never are
};

struct Table {
    std::vector<Column> columns;
    std::vector<std::vector<std::string>> rows;  ///< one cell per column
    std::string empty_text;                      ///< said instead of an empty table
    bool has_header = true;
};

/// A list of facts about one thing: "Name   value" lines.
Table facts_table();

/// Control characters become "?": names from elsewhere must not move the cursor or change colours.
std::string printable(std::string_view text);
/// Columns that a text holds on a terminal; UTF-8, one column per character.
std::size_t display_width(std::string_view text);
/// Cut to `width` columns, with "..." at the end when something was cut.
std::string cut(std::string_view text, std::size_t width);
/// Filled with blanks up to `width` columns.
std::string pad(std::string_view text, std::size_t width, bool right = false);

/// `width` = 0: no limit.
std::string render_text(const Table& table, bool wide, std::size_t width);
/// RFC 4180, all columns, with header.
std::string render_csv(const Table& table);
/// The first column, one per line.
std::string render_names(const Table& table);

}  // namespace mk::cli

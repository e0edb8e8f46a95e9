#include "cli/table.hpp"

#include <algorithm>
#include <numeric>

namespace mk::cli {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t narrowest_column = 8;

bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

std::string csv_cell(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
        return std::string(text);
    }
    std::string quoted = "\"";
    for (const char c : text) {
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    }
    return quoted + "\"";
}

std::vector<std::size_t> widths_of(const Table& table, const std::vector<std::size_t>& shown) {
    std::vector<std::size_t> widths;
    for (const auto column : shown) {
        std::size_t width = table.has_header ? display_width(table.columns[column].title) : 0;
        for (const auto& row : table.rows) {
            width = std::max(width, display_width(row[column]));
        }
        widths.push_back(width);
    }
    return widths;
}

/// Takes what is too much from the widest flexible columns.
void shrink(const Table& table, const std::vector<std::size_t>& shown, std::vector<std::size_t>& widths,
            std::size_t limit) {
    auto total = std::accumulate(widths.begin(), widths.end(), gap * (widths.size() - 1));
    while (total > limit) {
        std::size_t widest = widths.size();
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const bool may_shrink = table.columns[shown[i]].flexible && widths[i] > narrowest_column;
            if (may_shrink && (widest == widths.size() || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (widest == widths.size()) {
            return;
        }
        --widths[widest];
        --total;
    }
}

std::string line_of(const Table& table, const std::vector<std::string>& cells, const std::vector<std::size_t>& shown,
                    const std::vector<std::size_t>& widths) {
    std::string line;
    for (std::size_t i = 0; i < shown.size(); ++i) {
        const auto& column = table.columns[shown[i]];
        line += (i == 0 ? "" : std::string(gap, ' ')) +
                pad(cut(printable(cells[shown[i]]), widths[i]), widths[i], column.right);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
}

}  // namespace

Table facts_table() {
    return {
        .columns = {{"FACT"}, {.title = "VALUE", .flexible = true}}, .rows = {}, .empty_text = {}, .has_header = false};
}

std::string printable(std::string_view text) {
    std::string shown(text);
    for (char& c : shown) {
        const auto code = static_cast<unsigned char>(c);
        if (code < 0x20 || code == 0x7F) {
            c = '?';
        }
    }
    return shown;
}

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

std::string cut(std::string_view text, std::size_t width) {
    if (display_width(text) <= width) {
        return std::string(text);
    }
    const std::string mark = width > 3 ? "..." : "";
    std::size_t columns = 0;
    std::size_t end = 0;
    while (end < text.size()) {
        if (!continues_character(text[end]) && ++columns > width - mark.size()) {
            break;
        }
        ++end;
    }
    return std::string(text.substr(0, end)) + mark;
}

std::string pad(std::string_view text, std::size_t width, bool right) {
    const auto has = display_width(text);
    const std::string blanks(has < width ? width - has : 0, ' ');
    return right ? blanks + std::string(text) : std::string(text) + blanks;
}

std::string render_text(const Table& table, bool wide, std::size_t width) {
    if (table.rows.empty() && !table.empty_text.empty()) {
        return table.empty_text + "\n";
    }
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        if (wide || !table.columns[i].wide) {
            shown.push_back(i);
        }
    }
    auto widths = widths_of(table, shown);
    if (width != 0) {
        shrink(table, shown, widths, width);
    }
    std::string text;
    if (table.has_header) {
        std::vector<std::string> titles;
        for (const auto& column : table.columns) {
            titles.push_back(column.title);
        }
        text += line_of(table, titles, shown, widths);
    }
    for (const auto& row : table.rows) {
        text += line_of(table, row, shown, widths);
    }
    return text;
}

std::string render_csv(const Table& table) {
    std::string text;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        text += (i == 0 ? "" : ",") + csv_cell(table.columns[i].title);
    }
    text += "\r\n";
    for (const auto& row : table.rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            text += (i == 0 ? "" : ",") + csv_cell(row[i]);
        }
        text += "\r\n";
    }
    return text;
}

std::string render_names(const Table& table) {
    std::string text;
    for (const auto& row : table.rows) {
        text += printable(row.front()) + "\n";
    }
    return text;
}

}  // namespace mk::cli

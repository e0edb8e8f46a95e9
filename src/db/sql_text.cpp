#include "db/sql_text.hpp"

#include <utility>

#include "base/error.hpp"

namespace mk::db {
namespace {

constexpr std::string_view blanks = " \t\r\n";

class Splitter {
  public:
    explicit Splitter(std::string_view text) : rest_(text) {}

    std::vector<std::string> run() {
        while (!rest_.empty()) {
            const char first = rest_.front();
            if (rest_.starts_with("--")) {
                skip_comment("\n", true);
            } else if (rest_.starts_with("/*")) {
                skip_comment("*/", false);
            } else if (first == '\'' || first == '"') {
                take_quoted(first);
            } else if (first == ';') {
                rest_.remove_prefix(1);
                finish_statement();
            } else {
                take(1);
            }
        }
        finish_statement();
        return std::move(statements_);
    }

  private:
    void take(std::size_t count) {
        statement_ += rest_.substr(0, count);
        rest_.remove_prefix(count);
    }
    void skip_comment(std::string_view end, bool may_end_with_text) {
        const auto found = rest_.find(end, 2);
        if (found == std::string_view::npos && !may_end_with_text) {
            throw Error(ErrorCode::invalid, "the SQL text has a comment that does not end");
        }
        rest_.remove_prefix(found == std::string_view::npos ? rest_.size() : found + end.size());
        statement_ += end == "\n" ? '\n' : ' ';
    }
    /// A doubled quote ends one quoted piece and starts the next: no special case.
    void take_quoted(char quote) {
        const auto end = rest_.find(quote, 1);
        if (end == std::string_view::npos) {
            throw Error(ErrorCode::invalid, "the SQL text has a quote that does not end");
        }
        take(end + 1);
    }
    void finish_statement() {
        const auto first = statement_.find_first_not_of(blanks);
        if (first != std::string::npos) {
            statements_.push_back(statement_.substr(first, statement_.find_last_not_of(blanks) - first + 1));
        }
        statement_.clear();
    }

    std::string_view rest_;
    std::string statement_;
    std::vector<std::string> statements_;
};

}  // namespace

std::vector<std::string> split_statements(std::string_view text) {
    return Splitter(text).run();
}

}  // namespace mk::db

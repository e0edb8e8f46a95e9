#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "db/database.hpp"

namespace mk::db {
namespace {

/// Doubles hold every whole number up to here exactly.
constexpr double exact_limit = 9007199254740992.0;

template <class T>
std::optional<T> parsed(const std::string& text) {
    T number{};
    const char* const end = text.data() + text.size();
    const auto [stopped_at, problem] = std::from_chars(text.data(), end, number);
    return problem == std::errc{} && stopped_at == end ? std::optional(number) : std::nullopt;
}

[[noreturn]] void refuse(const std::string& column, const char* problem) {
    throw Error(ErrorCode::internal, "the database column '" + column + "' " + problem);
}

}  // namespace

Row::Row(std::shared_ptr<const std::vector<std::string>> names, std::vector<Value> values)
    : names_(std::move(names)), values_(std::move(values)) {}

const Value& Row::at(const std::string& column) const {
    const Value* found = nullptr;
    for (std::size_t i = 0; i < names_->size() && i < values_.size(); ++i) {
        if ((*names_)[i] != column) {
            continue;
        }
        if (found != nullptr) {
            refuse(column, "appears twice in the result");
        }
        found = &values_[i];
    }
    if (found == nullptr) {
        refuse(column, "is not in the result");
    }
    return *found;
}

bool Row::is_null(const std::string& column) const {
    return std::holds_alternative<std::nullptr_t>(at(column));
}

std::string Row::text(const std::string& column) const {
    const auto* text = std::get_if<std::string>(&at(column));
    if (text == nullptr) {
        refuse(column, is_null(column) ? "is NULL where a text is needed" : "is not a text");
    }
    return *text;
}

std::int64_t Row::number(const std::string& column) const {
    const Value& value = at(column);
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        return *number;
    }
    // Expression columns (COUNT, MAX, RETURNING) come as text from SQLite and as DECIMAL from MariaDB's SUM.
    if (const auto* text = std::get_if<std::string>(&value)) {
        if (const auto number = parsed<std::int64_t>(*text)) {
            return *number;
        }
    }
    if (const auto* real = std::get_if<double>(&value)) {
        if (std::abs(*real) <= exact_limit && std::trunc(*real) == *real) {
            return static_cast<std::int64_t>(*real);
        }
    }
    refuse(column, is_null(column) ? "is NULL where a number is needed" : "is not a whole number");
}

double Row::real(const std::string& column) const {
    const Value& value = at(column);
    if (const auto* real = std::get_if<double>(&value)) {
        return *real;
    }
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        return static_cast<double>(*number);
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
        if (const auto number = parsed<double>(*text)) {
            return *number;
        }
    }
    refuse(column, is_null(column) ? "is NULL where a number is needed" : "is not a number");
}

std::optional<std::string> Row::text_or_null(const std::string& column) const {
    return is_null(column) ? std::nullopt : std::optional(text(column));
}

std::optional<std::int64_t> Row::number_or_null(const std::string& column) const {
    return is_null(column) ? std::nullopt : std::optional(number(column));
}

}  // namespace mk::db

#pragma once
// Enum values and their words, both ways, from one table. Internal to model/.

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace mk::words {

template <class Value, std::size_t count>
using Table = std::array<std::pair<Value, std::string_view>, count>;

template <class Value, std::size_t count>
constexpr std::string_view word_of(const Table<Value, count>& table, Value value) {
    for (const auto& [known, word] : table) {
        if (known == value) {
            return word;
        }
    }
    return {};
}

/// Throws Error{invalid} naming `what` and the word.
template <class Value, std::size_t count>
Value value_of(const Table<Value, count>& table, std::string_view word, std::string_view what) {
    for (const auto& [value, known] : table) {
        if (known == word) {
            return value;
        }
    }
    throw Error(ErrorCode::invalid, "'" + std::string(word) + "' is not a " + std::string(what));
}

}  // namespace mk::words

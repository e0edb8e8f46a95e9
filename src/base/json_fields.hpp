#pragma once
// Reading fields of a JSON object with errors that name the field. Include in .cpp files only (the full JSON header is
// heavy).

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"

namespace mk::json {

/// True when the integer in `value` is one that T can hold; the library itself would cut it to size, and take fractions
/// and booleans as well.
template <class T>
bool holds_integer(const Json& value) {
    if (value.is_number_unsigned()) {
        return std::in_range<T>(value.get<std::uint64_t>());
    }
    return value.is_number_integer() && std::in_range<T>(value.get<std::int64_t>());
}

/// The field's value as T. Throws Error{invalid} when it is absent, null, of another type, or no integer that T holds.
template <class T>
T require(const Json& object, const char* field) {
    if (!object.is_object() || !object.contains(field) || object.at(field).is_null()) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' is missing");
    }
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        if (!holds_integer<T>(object.at(field))) {
            throw Error(ErrorCode::invalid, std::string("the field '") + field + "' is no whole number in range");
        }
    }
    try {
        return object.at(field).get<T>();
    } catch (const nlohmann::json::exception&) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' has the wrong type");
    }
}

/// Nothing when absent or null; Error{invalid} when of another type.
template <class T>
std::optional<T> find(const Json& object, const char* field) {
    if (!object.is_object() || !object.contains(field) || object.at(field).is_null()) {
        return std::nullopt;
    }
    return require<T>(object, field);
}

template <class T>
T value_or(const Json& object, const char* field, T fallback) {
    auto found = find<T>(object, field);
    return found ? std::move(*found) : std::move(fallback);
}

/// value, or JSON null when there is none.
template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

}  // namespace mk::json

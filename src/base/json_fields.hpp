#pragma once
// Reading fields of a JSON object with errors that name the field. Include in .cpp files only (the full JSON header is
// heavy).

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"

namespace mk::json {

/// The field's value as T. Throws Error{invalid} when it is absent, null or of another type.
template <class T>
T require(const Json& object, const char* field) {
    if (!object.is_object() || !object.contains(field) || object.at(field).is_null()) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' is missing");
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

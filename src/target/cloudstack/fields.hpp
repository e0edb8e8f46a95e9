#pragma once
// Reading CloudStack's objects: absent fields are normal, numbers and booleans may come as text. Include in .cpp files
// only.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include "base/json_fields.hpp"

namespace mk::cloudstack {

inline std::string text_field(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) {
        return {};
    }
    return found->is_string() ? found->get<std::string>() : found->dump();
}

inline std::optional<std::int64_t> number_field(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) {
        return std::nullopt;
    }
    if (found->is_number()) {
        return found->get<std::int64_t>();
    }
    std::int64_t value = 0;
    const auto text = found->is_string() ? found->get<std::string>() : std::string();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

inline bool flag_field(const Json& object, const char* name) {
    return text_field(object, name) == "true";
}

}  // namespace mk::cloudstack

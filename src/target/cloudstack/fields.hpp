#pragma once
// Reading CloudStack's objects: absent fields are normal, numbers and booleans may come as text. Include in .cpp files
// only.

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
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

/// "2022-06-24T07:46:36+0000" (section 2.3); nothing when it is absent or written otherwise.
inline std::optional<Instant> time_field(const Json& object, const char* name) {
    const auto text = text_field(object, name);
    if (text.size() != 24 || text[10] != 'T' || (text[19] != '+' && text[19] != '-')) {
        return std::nullopt;
    }
    bool is_number = true;
    const auto number = [&](std::size_t at, std::size_t digits) {
        int value = 0;
        const auto* const end = text.data() + at + digits;
        const auto [stopped, error] = std::from_chars(text.data() + at, end, value);
        is_number = is_number && error == std::errc() && stopped == end && value >= 0;
        return value;
    };
    const auto date = std::chrono::year{number(0, 4)} / number(5, 2) / number(8, 2);
    const auto time =
        std::chrono::hours{number(11, 2)} + std::chrono::minutes{number(14, 2)} + std::chrono::seconds{number(17, 2)};
    const auto zone = std::chrono::hours{number(20, 2)} + std::chrono::minutes{number(22, 2)};
    if (!is_number || !date.ok()) {
        return std::nullopt;
    }
    return std::chrono::sys_days{date} + time + (text[19] == '+' ? -zone : zone);
}

}  // namespace mk::cloudstack

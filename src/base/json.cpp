#include "base/json.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace mk::json {
namespace {

constexpr int deepest_nesting = 64;  // nlohmann parses any depth, then overflows the stack in dump()

/// The parser's own message quotes the text around the fault, which may hold a secret; position and kind are enough.
Error fault_at(std::string_view text, std::size_t byte) {
    if (byte > text.size()) {
        return Error(ErrorCode::invalid, "the text is not valid JSON: it ends too early");
    }
    const std::string_view before = text.substr(0, byte == 0 ? 0 : byte - 1);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto line_start = before.rfind('\n');
    const std::size_t column = line_start == std::string_view::npos ? before.size() + 1 : before.size() - line_start;
    return Error(ErrorCode::invalid,
                 fmt::format("the text is not valid JSON: fault at line {}, column {}", line, column));
}

}  // namespace

Json parse(std::string_view text) {
    const auto limit_depth = [](int depth, Json::parse_event_t event, Json&) {
        const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
        if (opens && depth >= deepest_nesting) {
            throw Error(ErrorCode::invalid,
                        fmt::format("the JSON text is nested deeper than {} levels", deepest_nesting));
        }
        return true;
    };
    try {
        return Json::parse(text.begin(), text.end(), limit_depth);
    } catch (const Json::parse_error& fault) {
        throw fault_at(text, fault.byte);
    } catch (const Json::exception&) {
        throw Error(ErrorCode::invalid, "the JSON text holds a number that is out of range");
    }
}

std::string dump(const Json& value, int indent) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace mk::json

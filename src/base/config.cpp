#include "base/config.hpp"

#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

#include <fmt/core.h>
#include <toml++/toml.h>

#include "base/error.hpp"

namespace mk {
namespace {

using Values = std::map<std::string, std::string>;

[[noreturn]] void refuse(const std::string& name, const toml::source_position& at, const std::string& problem) {
    throw Error(ErrorCode::invalid, fmt::format("{}, line {}, column {}: {}", name, at.line, at.column, problem));
}

std::string text_of(const toml::node& node, const std::string& key, const std::string& name) {
    if (const auto* text = node.as_string()) {
        return text->get();
    }
    if (const auto* number = node.as_integer()) {
        return std::to_string(number->get());
    }
    if (const auto* flag = node.as_boolean()) {
        return flag->get() ? "true" : "false";
    }
    if (const auto* real = node.as_floating_point()) {
        return fmt::format("{}", real->get());
    }
    refuse(name, node.source().begin, "'" + key + "' must be a text, a number, true or false");
}

void flatten(const toml::table& table, const std::string& prefix, const std::string& name, Values& values,
             std::map<std::string, toml::source_position>& positions) {
    for (const auto& [short_key, node] : table) {
        const std::string key = prefix + std::string(short_key.str());
        if (const auto* section = node.as_table()) {
            flatten(*section, key + ".", name, values, positions);
            continue;
        }
        values[key] = text_of(node, key, name);
        positions[key] = short_key.source().begin;
    }
}

/// All unknown keys at once: nobody wants to correct a file one mistake at a time.
void refuse_unknown(const std::map<std::string, toml::source_position>& positions, const std::set<std::string>& known,
                    const std::string& name) {
    std::string unknown;
    for (const auto& [key, at] : positions) {
        if (!known.contains(key)) {
            unknown += fmt::format("{}'{}' (line {})", unknown.empty() ? "" : ", ", key, at.line);
        }
    }
    if (!unknown.empty()) {
        std::string all;
        for (const std::string& key : known) {
            all += (all.empty() ? "" : ", ") + key;
        }
        throw Error(ErrorCode::invalid, fmt::format("{}: unknown keys: {}", name, unknown),
                    {"Nothing was started.", "Correct or remove them. Known keys: " + all + ".", true});
    }
}

}  // namespace

Config Config::load(const std::string& path, const std::set<std::string>& known) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    // An empty file is a configuration of defaults; peek() tells it from a folder or a failing disk.
    if (file && file.peek() != std::ifstream::traits_type::eof()) {
        text << file.rdbuf();
    }
    if (!file.is_open() || file.bad() || text.bad()) {
        throw Error(
            ErrorCode::invalid, "the configuration file " + path + " cannot be read",
            {"Nothing was started.", "Check that the file exists and that the service's user may read it.", true});
    }
    return from_text(text.str(), known, path);
}

Config Config::from_text(const std::string& text, const std::set<std::string>& known, const std::string& name) {
    Config config;
    config.name_ = name;
    toml::table table;
    try {
        table = toml::parse(std::string_view(text));
    } catch (const toml::parse_error& fault) {
        refuse(name, fault.source().begin, std::string(fault.description()));
    }
    std::map<std::string, toml::source_position> positions;
    flatten(table, "", name, config.values_, positions);
    refuse_unknown(positions, known, name);
    return config;
}

std::optional<std::string> Config::find(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
}

std::string Config::require(const std::string& key) const {
    auto found = find(key);
    if (!found) {
        throw Error(ErrorCode::invalid, fmt::format("{}: the key '{}' is missing", name_, key));
    }
    return *found;
}

std::string Config::get(const std::string& key, const std::string& fallback) const {
    return find(key).value_or(fallback);
}

std::int64_t Config::number(const std::string& key, std::int64_t fallback, std::int64_t low, std::int64_t high) const {
    const auto text = find(key);
    if (!text) {
        return fallback;
    }
    std::int64_t number = 0;
    const char* const end = text->data() + text->size();
    const auto [stopped_at, problem] = std::from_chars(text->data(), end, number);
    if (problem != std::errc{} || stopped_at != end || number < low || number > high) {
        throw Error(ErrorCode::invalid, fmt::format("{}: '{}' must be a whole number from {} to {}, not '{}'", name_,
                                                    key, low, high, *text));
    }
    return number;
}

}  // namespace mk

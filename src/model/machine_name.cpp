#include "model/machine_name.hpp"

#include "base/error.hpp"

namespace mk {

namespace {

constexpr std::size_t longest_name = 63;  // RFC 1123 label, and CloudStack's own limit

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

char lowered(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Runs of anything else become one '-'; none at the ends. Bytes, not characters: an umlaut is two bytes and one '-'.
std::string reduced(std::string_view name) {
    std::string out;
    for (const char raw : name) {
        const char c = lowered(raw);
        if ((c >= 'a' && c <= 'z') || is_digit(c)) {
            out.push_back(c);
        } else if (!out.empty() && out.back() != '-') {
            out.push_back('-');
        }
    }
    if (!out.empty() && out.back() == '-') {
        out.pop_back();
    }
    return out;
}

std::string cut(std::string name, std::size_t length) {
    if (name.size() > length) {
        name.resize(length);
        while (!name.empty() && name.back() == '-') {
            name.pop_back();
        }
    }
    return name;
}

std::string named(std::string_view name) {
    std::string out = reduced(name);
    if (out.empty()) {
        throw Error(ErrorCode::invalid, "no machine name can be made from '" + std::string(name) + "'",
                    {.remedy = "Give a name with letters a to z or digits."});
    }
    return is_digit(out.front()) ? "vm-" + out : out;
}

}  // namespace

std::string cleaned_machine_name(std::string_view name) {
    return named(name);
}

std::string cloud_machine_name(std::string_view name) {
    return cut(named(name), longest_name);
}

std::string cloud_machine_name(std::string_view name, std::string_view suffix) {
    const std::string tail = reduced(suffix);
    if (tail.empty()) {
        return cloud_machine_name(name);
    }
    if (tail.size() + 2 > longest_name) {
        throw Error(ErrorCode::invalid, "the suffix '" + std::string(suffix) + "' is too long for a machine name");
    }
    return cut(named(name), longest_name - tail.size() - 1) + "-" + tail;
}

}  // namespace mk

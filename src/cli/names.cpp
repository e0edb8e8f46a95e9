#include "cli/names.hpp"

#include <algorithm>
#include <sstream>

#include "base/error.hpp"

namespace mk::cli {

namespace {

constexpr std::size_t most_named = 5;

}  // namespace

std::string resolve_name(const std::string& kind, const std::string& words, const std::vector<std::string>& candidates,
                         const std::string& list_command) {
    if (std::find(candidates.begin(), candidates.end(), words) != candidates.end()) {
        return words;
    }
    std::vector<std::string> matches;
    std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(matches),
                 [&](const std::string& candidate) { return !words.empty() && candidate.starts_with(words); });
    if (matches.size() == 1) {
        return matches.front();
    }
    if (matches.empty()) {
        throw Error(
            ErrorCode::not_found, "there is no " + kind + " '" + words + "'",
            {.consequence = "Nothing was changed.", .remedy = "List them: " + list_command, .retry_safe = true});
    }
    std::string named;
    for (std::size_t i = 0; i < std::min(matches.size(), most_named); ++i) {
        named += (i == 0 ? "" : ", ") + matches[i];
    }
    if (matches.size() > most_named) {
        named += " and " + std::to_string(matches.size() - most_named) + " more";
    }
    throw Error(ErrorCode::not_found, "'" + words + "' means several of them: " + named,
                {.consequence = "Nothing was changed.", .remedy = "Write more of the name.", .retry_safe = true});
}

std::vector<std::string> split_list(const std::vector<std::string>& items) {
    std::vector<std::string> parts;
    for (const auto& item : items) {
        std::istringstream stream(item);
        for (std::string part; std::getline(stream, part, ',');) {
            if (!part.empty()) {
                parts.push_back(part);
            }
        }
    }
    return parts;
}

}  // namespace mk::cli

#pragma once
// Configuration files (TOML). Every key must be known: a mistyped one is an error, not silence.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace mk {

/// A flat view of a TOML file: "section.key" -> text. Numbers and booleans are kept as their text.
class Config {
  public:
    /// Throws Error{invalid} with file, line and column for syntax errors, and naming every key that is not in `known`.
    static Config load(const std::string& path, const std::set<std::string>& known);
    static Config from_text(const std::string& text, const std::set<std::string>& known,
                            const std::string& name = "configuration");

    std::optional<std::string> find(const std::string& key) const;
    /// Throws Error{invalid} naming key and file when absent.
    std::string require(const std::string& key) const;
    std::string get(const std::string& key, const std::string& fallback) const;
    /// Throws Error{invalid} unless a whole number within [low, high].
    std::int64_t number(const std::string& key, std::int64_t fallback, std::int64_t low, std::int64_t high) const;

  private:
    std::string name_;
    std::map<std::string, std::string> values_;
};

}  // namespace mk

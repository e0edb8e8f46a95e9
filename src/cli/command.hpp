#pragma once
// The commands as data: words, example, arguments, options and what they do. The parser (apps/migratekit) and the help
// texts are made from it, so both always agree.

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/exit_code.hpp"

namespace mk::cli {

class Session;

struct Argument {
    std::string name;  ///< "VM"
    std::string help;
    bool is_repeated = false;  ///< one or more
};

struct Option {
    std::string names;  ///< "--network" or "-f,--follow"; known by the last of them
    std::string value;  ///< "ID"; empty for a switch
    std::string help;
    bool is_required = false;
    bool is_repeated = false;

    std::string key() const;
};

/// What was typed. Asking for a name that the command does not declare is a defect: Error{internal}.
class Input {
  public:
    void set(const std::string& name, std::vector<std::string> values) { values_[name] = std::move(values); }

    bool has(const std::string& name) const { return !list(name).empty(); }
    /// The first value; empty when absent.
    std::string text(const std::string& name) const;
    const std::vector<std::string>& list(const std::string& name) const;
    /// Throws Error{invalid} naming the option.
    std::optional<std::chrono::seconds> duration(const std::string& name) const;

  private:
    std::map<std::string, std::vector<std::string>> values_;
};

struct Command {
    std::string words;    ///< "vcenter add"
    std::string summary;  ///< one sentence
    std::string example;
    std::vector<Argument> arguments{};
    std::vector<Option> options{};
    std::function<ExitCode(Session&, const Input&)> run{};
};

struct Noun {
    std::string word;
    std::string summary;
};

/// Throws Error{invalid} for a TIME that is none. Called before the command runs: nothing is started and then not
/// waited for.
void check_times(const Command& command, const Input& input);

/// Options that every command takes.
std::vector<Option> global_options();
/// What `migratekit WORDS --help` says; begins with an example. Without words: the overview.
std::string help_text(const std::vector<Command>& commands, const std::vector<Noun>& nouns, const std::string& words);

/// --wait and --timeout, shared by everything that starts a job.
std::vector<Option> with_wait(std::vector<Option> options);

}  // namespace mk::cli

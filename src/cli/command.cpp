#include "cli/command.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/error.hpp"
#include "cli/figures.hpp"
#include "cli/table.hpp"

namespace mk::cli {

namespace {

std::string usage_of(const Command& command) {
    std::string line = "migratekit " + command.words;
    for (const auto& argument : command.arguments) {
        line += " " + argument.name + (argument.is_repeated ? "..." : "");
    }
    for (const auto& option : command.options) {
        if (option.is_required) {
            line += " " + option.key() + (option.value.empty() ? "" : " " + option.value);
        }
    }
    const bool has_more = std::any_of(command.options.begin(), command.options.end(),
                                      [](const Option& option) { return !option.is_required; });
    return line + (has_more ? " [options]" : "");
}

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string block(const std::string& title, const Lines& lines) {
    if (lines.empty()) {
        return "";
    }
    std::size_t width = 0;
    for (const auto& [left, right] : lines) {
        width = std::max(width, display_width(left));
    }
    std::string text = "\n" + title + ":\n";
    for (const auto& [left, right] : lines) {
        text += "  " + pad(left, width) + "  " + right + "\n";
    }
    return text;
}

Lines lines_of(const std::vector<Option>& options) {
    Lines lines;
    for (const auto& option : options) {
        auto names = option.names;
        if (const auto comma = names.find(','); comma != std::string::npos) {
            names.insert(comma + 1, " ");
        }
        lines.emplace_back(
            names + (option.value.empty() ? "" : " " + option.value),
            option.help + (option.is_required ? " (required)" : "") + (option.is_repeated ? " (may be repeated)" : ""));
    }
    return lines;
}

std::string help_of(const Command& command) {
    Lines arguments;
    for (const auto& argument : command.arguments) {
        arguments.emplace_back(argument.name + (argument.is_repeated ? "..." : ""), argument.help);
    }
    return fmt::format("Example: {}\n\n{}\n\nUsage: {}\n", command.example, command.summary, usage_of(command)) +
           block("Arguments", arguments) + block("Options", lines_of(command.options)) +
           block("Everywhere", lines_of(global_options()));
}

std::string help_of_noun(const Noun& noun, const std::vector<const Command*>& verbs) {
    Lines lines;
    for (const auto* verb : verbs) {
        lines.emplace_back(verb->words, verb->summary);
    }
    return fmt::format("Example: {}\n\n{}\n", verbs.front()->example, noun.summary) + block("Commands", lines) +
           fmt::format("\nMore: migratekit {} VERB --help\n", noun.word);
}

std::string overview(const std::vector<Command>& commands, const std::vector<Noun>& nouns) {
    Lines lines;
    for (const auto& noun : nouns) {
        lines.emplace_back(noun.word, noun.summary);
    }
    Lines single;
    for (const auto& command : commands) {
        if (command.words.find(' ') == std::string::npos) {
            single.emplace_back(command.words, command.summary);
        }
    }
    return "Example: migratekit vm list --status failed,cleanup_required\n\n"
           "Replicates VMware machines to Apache CloudStack, rehearses failovers and moves machines.\n"
           "Usage: migratekit NOUN VERB [NAME] [options]\n" +
           block("Nouns", lines) + block("Others", single) + block("Everywhere", lines_of(global_options())) +
           "\nExit codes: 0 done, 1 failed, 2 usage, 3 not found or ambiguous, 4 not signed in or not allowed,\n"
           "5 refused by state or checks, 6 the job failed, 7 the job ended with warnings, 8 --timeout is over,\n"
           "9 the OMA is not reachable, 10 the copy differs from the source, 130 interrupted.\n"
           "\nMore: migratekit NOUN --help\n";
}

}  // namespace

std::string Option::key() const {
    const auto comma = names.rfind(',');
    return comma == std::string::npos ? names : names.substr(comma + 1);
}

std::string Input::text(const std::string& name) const {
    const auto& values = list(name);
    return values.empty() ? "" : values.front();
}

const std::vector<std::string>& Input::list(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) {
        throw Error(ErrorCode::internal, "the command does not declare '" + name + "'");
    }
    return found->second;
}

std::optional<std::chrono::seconds> Input::duration(const std::string& name) const {
    return has(name) ? std::optional(parse_duration(text(name), name)) : std::nullopt;
}

void check_times(const Command& command, const Input& input) {
    for (const auto& option : command.options) {
        if (option.value == "TIME") {
            input.duration(option.key());
        }
    }
}

std::vector<Option> global_options() {
    return {{"-o,--output", "FORMAT", "table, wide, json, csv or name; errors follow json too"},
            {"--no-color", "", "no colours; NO_COLOR does the same"},
            {"-h,--help", "", "this text"}};
}

std::string help_text(const std::vector<Command>& commands, const std::vector<Noun>& nouns, const std::string& words) {
    for (const auto& command : commands) {
        if (command.words == words) {
            return help_of(command);
        }
    }
    for (const auto& noun : nouns) {
        if (noun.word == words) {
            std::vector<const Command*> verbs;
            for (const auto& command : commands) {
                if (command.words.starts_with(words + " ")) {
                    verbs.push_back(&command);
                }
            }
            return help_of_noun(noun, verbs);
        }
    }
    return overview(commands, nouns);
}

std::vector<Option> with_wait(std::vector<Option> options) {
    options.push_back({"--wait", "", "follow the job to its end; the exit code tells how it ended"});
    options.push_back({"--timeout", "TIME", "wait no longer than this, e.g. 90s or 2h; the job goes on"});
    return options;
}

}  // namespace mk::cli

// migratekit: the command line. Turns the commands of src/cli into a CLI11 parser, runs the one that was typed, and
// turns errors into texts and exit codes. Ctrl C requests a stop; commands decide what that means (a job that is waited
// for goes on).

#include <iostream>
#include <map>

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "cli/session.hpp"
#include "os/signals.hpp"
#include "os/termination_listener.hpp"

namespace {

using namespace mk;

/// Where CLI11 writes what was typed for one command.
struct Typed {
    const cli::Command* command = nullptr;
    CLI::App* app = nullptr;
    std::map<std::string, std::vector<std::string>> values{};
    std::map<std::string, bool> switches{};
};

/// CLI11 asks for help by the words on the way to the command; the texts are ours.
class HelpTexts : public CLI::FormatterBase {
  public:
    HelpTexts(const std::vector<cli::Command>& commands, std::vector<cli::Noun> nouns)
        : commands_(commands), nouns_(std::move(nouns)) {}
    std::string make_help(const CLI::App*, std::string name, CLI::AppFormatMode) const override {
        const auto space = name.find(' ');
        return cli::help_text(commands_, nouns_, space == std::string::npos ? "" : name.substr(space + 1));
    }

  private:
    const std::vector<cli::Command>& commands_;
    std::vector<cli::Noun> nouns_;
};

class Parser {
  public:
    Parser() : commands_(cli::all_commands()) {
        app_.name("migratekit");
        app_.formatter(std::make_shared<HelpTexts>(commands_, cli::all_nouns()));
        app_.set_version_flag("--version", std::string("migratekit ") + MK_VERSION);
        app_.add_option("-o,--output", format_);
        app_.add_flag("--no-color", no_color_);
        // Options of the program are understood after the verb, too. Exactly one subcommand: names like "list" stay
        // names.
        app_.fallthrough();
        app_.require_subcommand(1);
        for (const auto& command : commands_) {
            add(command);
        }
    }

    /// Throws CLI::ParseError.
    void parse(int argc, char** argv) { app_.parse(argc, argv); }
    int answer(const CLI::ParseError& error) { return app_.exit(error, std::cout, std::cerr); }
    /// CLI11 says "A subcommand is required" of an unknown one, too.
    std::string words_of(const CLI::ParseError& error) const {
        std::string words = error.what();
        const auto unknown = app_.remaining(true);
        if (words != "A subcommand is required") {
            return words;
        }
        return unknown.empty() ? "the command is missing or not whole"
                               : "there is no command '" + unknown.front() + "' here";
    }
    const std::string& format() const { return format_; }
    bool no_color() const { return no_color_; }

    cli::ExitCode run(cli::Session& session) const {
        for (const auto& typed : typed_) {
            if (typed->app->parsed()) {
                const auto input = input_of(*typed);
                cli::check_times(*typed->command, input);
                return typed->command->run(session, input);
            }
        }
        throw Error(ErrorCode::internal, "no command was recognised");
    }

  private:
    void add(const cli::Command& command) {
        auto typed = std::make_unique<Typed>();
        typed->command = &command;
        typed->app = place_of(command.words);
        for (const auto& argument : command.arguments) {
            auto* option = typed->app->add_option(argument.name, typed->values[argument.name])->required();
            if (!argument.is_repeated) {
                option->expected(1)->allow_extra_args(false);
            }
        }
        for (const auto& option : command.options) {
            add(option, *typed);
        }
        typed_.push_back(std::move(typed));
    }

    static void add(const cli::Option& option, Typed& typed) {
        if (option.value.empty()) {
            typed.app->add_flag(option.names, typed.switches[option.key()]);
            return;
        }
        auto* added = typed.app->add_option(option.names, typed.values[option.key()]);
        added->required(option.is_required);
        // One value per flag, so that an option never swallows the names that follow it.
        added->allow_extra_args(false);
        if (!option.is_repeated) {
            added->expected(1);
        }
    }

    /// The CLI11 command for "vcenter add", with its noun.
    CLI::App* place_of(const std::string& words) {
        const auto space = words.find(' ');
        if (space == std::string::npos) {
            return app_.add_subcommand(words);
        }
        auto& noun = nouns_[words.substr(0, space)];
        if (noun == nullptr) {
            noun = app_.add_subcommand(words.substr(0, space));
            noun->require_subcommand(1);
        }
        return noun->add_subcommand(words.substr(space + 1));
    }

    static cli::Input input_of(const Typed& typed) {
        cli::Input input;
        for (const auto& [name, values] : typed.values) {
            input.set(name, values);
        }
        for (const auto& [name, is_on] : typed.switches) {
            input.set(name, is_on ? std::vector<std::string>{"true"} : std::vector<std::string>{});
        }
        return input;
    }

    std::vector<cli::Command> commands_;
    CLI::App app_;
    std::map<std::string, CLI::App*> nouns_;
    std::vector<std::unique_ptr<Typed>> typed_;
    std::string format_ = "table";
    bool no_color_ = false;
};

/// A line that could not be parsed may still say how errors are wanted.
bool wants_json(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "-ojson" || word == "-o=json" || word == "--output=json" ||
            ((word == "-o" || word == "--output") && i + 1 < argc && std::string(argv[i + 1]) == "json")) {
            return true;
        }
    }
    return false;
}

int answer_parse_error(Parser& parser, const CLI::ParseError& error, bool as_json) {
    if (error.get_exit_code() == 0) {
        return parser.answer(error);  // --help, --version
    }
    std::cerr << cli::render_error(Error(ErrorCode::invalid, parser.words_of(error),
                                         {.consequence = "Nothing was changed.",
                                          .remedy = "See: migratekit --help, or --help after the command.",
                                          .retry_safe = true}),
                                   as_json, false);
    return static_cast<int>(cli::ExitCode::usage);
}

int run(Parser& parser, bool as_json) {
    const os::TerminationListener interrupts;
    auto terminal = cli::Terminal::of_process(cli::process_environment);
    terminal.has_color = terminal.has_color && !parser.no_color();
    try {
        cli::Session session({.format = cli::format_from(parser.format()),
                              .terminal = terminal,
                              .environment = cli::process_environment,
                              .stop = interrupts.token()},
                             std::cout, std::cerr);
        const auto code = static_cast<int>(parser.run(session));
        if (!std::cout) {
            throw Error(ErrorCode::external, "the output could not be written");
        }
        return code;
    } catch (const std::exception& caught) {
        const auto error = as_error(caught);
        std::cerr << cli::render_error(error, as_json, terminal.has_color);
        return static_cast<int>(cli::exit_code_of(error));
    }
}

}  // namespace

int main(int argc, char** argv) {
    os::block_termination_signals();
    const bool as_json = wants_json(argc, argv);
    Parser parser;
    try {
        parser.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return answer_parse_error(parser, error, as_json);
    }
    return run(parser, as_json);
}

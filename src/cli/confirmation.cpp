#include "cli/confirmation.hpp"

#include "base/error.hpp"
#include "os/file.hpp"

namespace mk::cli {

namespace {

Error not_confirmed(const std::string& cause, const std::string& remedy) {
    return {ErrorCode::invalid, cause, {.consequence = "Nothing was changed.", .remedy = remedy, .retry_safe = true}};
}

}  // namespace

void require_confirmation(Session& session, const Input& input, const std::string& name,
                          const std::string& consequences, const std::string& kind) {
    if (input.has("--confirm")) {
        if (input.text("--confirm") != name) {
            throw not_confirmed("--confirm says '" + input.text("--confirm") + "', the " + kind + " is '" + name + "'",
                                "Write the name of the " + kind + " that is meant.");
        }
        return;
    }
    if (!session.terminal().can_ask() || session.is_json()) {
        throw not_confirmed("--confirm is missing", "Without a terminal, confirm with: --confirm '" + name + "'");
    }
    session.say(consequences);
    session.write_message("Type the " + kind + "'s name (" + printable(name) + ") to go on: ");
    if (read_line(session.stop()).value_or("") != name) {
        throw not_confirmed("the typed name is not '" + name + "'", "");
    }
}

void require_consent(Session& session, const Input& input, const std::string& consequences) {
    if (input.has("--yes") || !session.terminal().can_ask() || session.is_json()) {
        return;
    }
    session.write_message(consequences);
    session.write_message("Go on? (yes/no) ");
    const auto answer = read_line(session.stop()).value_or("");
    if (answer != "yes" && answer != "y") {
        throw not_confirmed("it was not confirmed", "Answer yes, or give --yes.");
    }
}

Secret read_secret(Session& session, const std::string& path) {
    if (path != "-") {
        try {
            return os::read_secret_file(path);
        } catch (const Error& error) {
            // A missing local file is a wrong command line, not a missing object.
            throw Error(ErrorCode::invalid, error.cause(),
                        {.consequence = "Nothing was sent.",
                         .remedy = "Name a readable file, or - for stdin.",
                         .retry_safe = true});
        }
    }
    auto text = read_stdin(session.stop());
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
        text.pop_back();
    }
    if (text.empty()) {
        throw Error(ErrorCode::invalid, "stdin holds no secret",
                    {.consequence = "Nothing was sent.", .retry_safe = true});
    }
    return Secret(std::move(text));
}

}  // namespace mk::cli

#include "cli/session.hpp"

#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/confirmation.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::cli {
namespace {

struct Desk {
    explicit Desk(Format format)
        : session({.format = format, .environment = [](const char*) { return std::optional<std::string>(); }}, out,
                  messages) {}
    std::ostringstream out;
    std::ostringstream messages;
    Session session;
};

const Error refusal(ErrorCode::conflict, "a test is running",
                    {.consequence = "Nothing was changed.", .remedy = "Finish it first.", .retry_safe = true});

TEST(Session, ShowsTheSameThingInEveryFormat) {
    const Json document = {{"vms", {{{"name", "a"}}}}};
    const Table table{.columns = {{"NAME"}}, .rows = {{"a"}}, .empty_text = {}};
    const std::pair<Format, std::string> formats[] = {{Format::table, "NAME\na\n"},
                                                      {Format::wide, "NAME\na\n"},
                                                      {Format::csv, "NAME\r\na\r\n"},
                                                      {Format::name, "a\n"},
                                                      {Format::json, "{\"vms\":[{\"name\":\"a\"}]}\n"}};
    for (const auto& [format, expected] : formats) {
        Desk desk(format);
        desk.session.show(document, table);
        EXPECT_EQ(desk.out.str(), expected);
    }
}

TEST(Session, KeepsMessagesFromScriptsThatReadJson) {
    Desk people(Format::table);
    people.session.say("Added\x1b[2J.\nNext.");
    EXPECT_EQ(people.messages.str(), "Added?[2J.\nNext.\n");
    EXPECT_EQ(people.out.str(), "");

    Desk scripts(Format::json);
    scripts.session.say("Added.");
    EXPECT_EQ(scripts.messages.str(), "");
}

TEST(Session, KnowsItsFormats) {
    EXPECT_EQ(format_from("wide"), Format::wide);
    EXPECT_EQ(test::code_of([] { format_from("yml"); }), ErrorCode::invalid);
}

TEST(Errors, AreReadableByPeople) {
    EXPECT_EQ(render_error(refusal, false, false),
              "Error: a test is running.\n       Nothing was changed.\n       Finish it first.\n");
    EXPECT_TRUE(render_error(refusal, false, true).starts_with("\x1b[1;31mError:\x1b[0m a test"));
}

TEST(Errors, AreReadableByScripts) {
    EXPECT_EQ(json::parse(render_error(refusal, true, true)), (Json{{"type", "error"},
                                                                    {"code", "conflict"},
                                                                    {"message", "a test is running"},
                                                                    {"consequence", "Nothing was changed."},
                                                                    {"remedy", "Finish it first."},
                                                                    {"retry_safe", true}}));
}

TEST(Confirmation, WantsTheNameOfTheMachine) {
    Desk desk(Format::table);
    Input input;
    input.set("--confirm", {"app-01"});
    EXPECT_NO_THROW(require_confirmation(desk.session, input, "app-01", ""));
    EXPECT_EQ(test::code_of([&] { require_confirmation(desk.session, input, "app-02", ""); }), ErrorCode::invalid);
}

TEST(Confirmation, NamesTheFlagWithoutATerminal) {
    Desk desk(Format::table);
    Input input;
    input.set("--confirm", {});
    const auto error = test::error_of([&] { require_confirmation(desk.session, input, "app-01", ""); });
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.cause().find("--confirm"), std::string::npos);
}

TEST(Secrets, ThatCannotBeReadAreWrongInput) {
    Desk desk(Format::table);
    const test::TemporaryFolder folder;
    EXPECT_EQ(test::code_of([&] { read_secret(desk.session, folder / "absent"); }), ErrorCode::invalid);
}

}  // namespace
}  // namespace mk::cli

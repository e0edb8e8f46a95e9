#include "cli/session.hpp"

#include <ostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace mk::cli {

Format format_from(const std::string& word) {
    constexpr std::pair<const char*, Format> words[] = {{"table", Format::table},
                                                        {"wide", Format::wide},
                                                        {"json", Format::json},
                                                        {"csv", Format::csv},
                                                        {"name", Format::name}};
    for (const auto& [known, format] : words) {
        if (word == known) {
            return format;
        }
    }
    throw Error(
        ErrorCode::invalid, "there is no output format '" + word + "'",
        {.consequence = "Nothing was changed.", .remedy = "Use table, wide, json, csv or name.", .retry_safe = true});
}

Session::Session(SessionOptions options, std::ostream& out, std::ostream& messages)
    : options_(std::move(options)), out_(out), messages_(messages) {}

OmaApi& Session::api() {
    if (!api_) {
        const auto settings = current_settings(options_.environment);
        require_signed_in(settings);
        api_ = std::make_unique<OmaApi>(settings, options_.stop);
    }
    return *api_;
}

void Session::show(const Json& document, const Table& table) {
    switch (options_.format) {
        case Format::json:
            show_document(document);
            return;
        case Format::csv:
            write(render_csv(table));
            return;
        case Format::name:
            write(render_names(table));
            return;
        case Format::table:
        case Format::wide:
            break;
    }
    const auto width = options_.terminal.out_is_terminal ? options_.terminal.width : 0;
    write(render_text(table, options_.format == Format::wide, width));
}

void Session::show_document(const Json& document) {
    write(json::dump(document, options_.terminal.out_is_terminal ? 2 : -1) + "\n");
}

void Session::show_line(const Json& document) {
    write(json::dump(document) + "\n");
}

void Session::write(const std::string& text) {
    out_ << text << std::flush;
}

void Session::say(const std::string& text) {
    if (is_json()) {
        return;
    }
    std::istringstream lines(text);
    std::string shown;
    for (std::string line; std::getline(lines, line);) {
        shown += printable(line) + "\n";
    }
    write_message(shown);
}

void Session::write_message(const std::string& text) {
    messages_ << text << std::flush;
}

std::string render_error(const Error& error, bool as_json, bool color) {
    if (as_json) {
        Json document = {{"type", "error"},
                         {"code", to_string(error.code())},
                         {"message", error.cause()},
                         {"consequence", error.advice().consequence},
                         {"remedy", error.advice().remedy},
                         {"retry_safe", error.advice().retry_safe}};
        if (!error.native().empty()) {
            document["native"] = error.native();
        }
        return json::dump(document) + "\n";
    }
    std::string text = color ? "\x1b[1;31mError:\x1b[0m " : "Error: ";
    text += printable(error.cause()) + (error.cause().ends_with('.') ? "" : ".") + "\n";
    for (const auto* sentence : {&error.advice().consequence, &error.advice().remedy}) {
        if (!sentence->empty()) {
            text += "       " + printable(*sentence) + "\n";
        }
    }
    return text;
}

}  // namespace mk::cli

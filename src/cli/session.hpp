#pragma once
// What a command works with: the API, the outputs and the terminal. Data goes to `out`, messages and progress to
// `messages`. One per process; one thread.

#include <iosfwd>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "cli/config_file.hpp"
#include "cli/oma_api.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace mk::cli {

enum class Format { table, wide, json, csv, name };
/// Throws Error{invalid} for an unknown word.
Format format_from(const std::string& word);

struct SessionOptions {
    Format format = Format::table;
    Terminal terminal{};
    Environment environment{};
    std::stop_token stop{};
};

class Session {
  public:
    Session(SessionOptions options, std::ostream& out, std::ostream& messages);

    /// Reads the configuration at first use. Throws Error{unauthenticated} when not signed in.
    OmaApi& api();
    bool is_json() const { return options_.format == Format::json; }
    const Terminal& terminal() const { return options_.terminal; }
    const Environment& environment() const { return options_.environment; }
    const std::stop_token& stop() const { return options_.stop; }
    const Clock& clock() const { return clock_; }
    Instant now() const { return clock_.now(); }

    /// The document for -o json, the table for everything else.
    void show(const Json& document, const Table& table);
    /// A document as text of its own: indented on a terminal, one line elsewhere.
    void show_document(const Json& document);
    /// One line of JSON on stdout, written at once.
    void show_line(const Json& document);
    /// Text on stdout, as it is.
    void write(const std::string& text);
    /// Sentences for the person, one per line; nothing with -o json, where stderr holds errors only.
    void say(const std::string& text);
    /// Text on stderr, written at once.
    void write_message(const std::string& text);

  private:
    SessionOptions options_;
    std::ostream& out_;
    std::ostream& messages_;
    SystemClock clock_;
    std::unique_ptr<OmaApi> api_;
};

/// An error for people ("Error: ..." with consequence and remedy), or as {"type":"error", ...} in one line.
std::string render_error(const Error& error, bool as_json, bool color);

}  // namespace mk::cli

#include "target/cloudstack/answer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

#include "base/json_fields.hpp"

namespace mk::cloudstack {
namespace {

struct Meaning {
    int code;
    ErrorCode kind;
    const char* remedy;
    bool retry_safe;
};

// The client action column of the table: what may pass by itself is retryable, the rest is for a person.
constexpr std::array meanings{
    Meaning{400, ErrorCode::internal, "", false},
    Meaning{401, ErrorCode::unauthenticated,
            "Check the API key and the secret key of the CloudStack settings, that the user is enabled and may use "
            "this command, and "
            "that the clocks of appliance and management server agree.",
            true},
    Meaning{405, ErrorCode::forbidden, "The address does not accept this kind of request. Check the API URL.", true},
    Meaning{411, ErrorCode::forbidden, "Use an API user without two-factor authentication.", true},
    Meaning{429, ErrorCode::exhausted, "CloudStack limits the rate of requests of this account. Try again later.",
            true},
    Meaning{430, ErrorCode::internal, "", false},
    Meaning{431, ErrorCode::invalid, "", false},
    Meaning{432, ErrorCode::forbidden,
            "This CloudStack does not offer the command. Check its version and the user's role.", true},
    Meaning{503, ErrorCode::unavailable, "The management server is starting or in maintenance. Try again later.", true},
    Meaning{530, ErrorCode::external, "Look at the events in CloudStack and at the management server's log.", false},
    Meaning{531, ErrorCode::forbidden, "The API user has no right to this object. Check account, domain and project.",
            true},
    Meaning{532, ErrorCode::exhausted, "A limit of the CloudStack account is reached. Raise it or free resources.",
            true},
    Meaning{533, ErrorCode::unavailable, "CloudStack has not enough capacity now. Free capacity or try again later.",
            true},
    Meaning{534, ErrorCode::unavailable,
            "A CloudStack resource is unavailable. Check hosts and storage, then try again.", true},
    Meaning{535, ErrorCode::exhausted, "A CloudStack resource limit is reached. Raise it or free resources.", true},
    Meaning{536, ErrorCode::unavailable, "A CloudStack resource is in use. Try again later.", true},
    Meaning{537, ErrorCode::conflict, "A network rule is in conflict. Check the network in CloudStack.", true},
};

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// Numbers may arrive as text.
int number_of(const Json& object, const char* field) {
    if (!object.is_object() || !object.contains(field)) {
        return 0;
    }
    const auto& value = object.at(field);
    if (value.is_number_integer()) {
        return value.get<int>();
    }
    int parsed = 0;
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        std::from_chars(text.data(), text.data() + text.size(), parsed);
    }
    return parsed;
}

Error error_of_foreign_answer(int http_status, const std::string& command) {
    const bool may_pass = http_status >= 500 || http_status == 200;
    return Error(may_pass ? ErrorCode::unavailable : ErrorCode::external,
                 fmt::format("CloudStack command {}: HTTP status {} with an answer that is not from CloudStack's API",
                             command, http_status),
                 {.remedy = "Check the API URL; the management server may also be starting.", .retry_safe = true})
        .with_native(may_pass ? std::string(foreign_answer) : std::to_string(http_status));
}

}  // namespace

bool is_outcome_unknown(const Error& error) {
    return error.native() == outcome_unknown || error.native() == job_still_running;
}

Error error_of(int code, const std::string& text, const std::string& command) {
    const auto found = std::find_if(meanings.begin(), meanings.end(), [&](const Meaning& m) { return m.code == code; });
    auto kind = found == meanings.end() ? ErrorCode::external : found->kind;
    // Nothing but the text tells an unknown UUID from any other bad parameter.
    if (code == 431 && contains(text, "entity does not exist")) {
        kind = ErrorCode::not_found;
    }
    Advice advice;
    if (found != meanings.end()) {
        advice.remedy = found->remedy;
        advice.retry_safe = found->retry_safe;
    }
    const auto& reason = text.empty() ? std::string("no reason given") : text;
    return Error(kind, fmt::format("CloudStack: {} failed ({}): {}", command, code, reason), advice)
        .with_native(std::to_string(code));
}

Error with_advice(const Error& error, Advice advice) {
    return Error(error.code(), error.cause(), std::move(advice)).with_native(error.native());
}

Json open_envelope(int http_status, const std::string& body, const std::string& command) {
    Json whole;
    try {
        whole = json::parse(body);
    } catch (const Error&) {
        throw error_of_foreign_answer(http_status, command);
    }
    if (!whole.is_object() || whole.size() != 1) {
        throw error_of_foreign_answer(http_status, command);
    }
    Json content = whole.begin().value();
    if (const int code = number_of(content, "errorcode"); code != 0) {
        throw error_of(code, json::value_or<std::string>(content, "errortext", ""), command);
    }
    if (http_status != 200) {
        throw error_of(http_status, "", command);
    }
    return content;
}

std::chrono::milliseconds wait_of_rate_limit(std::string_view text) {
    constexpr std::string_view lead = "retry after [";
    const auto start = text.find(lead);
    std::int64_t ms = 0;
    if (start != std::string_view::npos) {
        const auto* first = text.data() + start + lead.size();
        std::from_chars(first, text.data() + text.size(), ms);
    }
    return std::chrono::milliseconds{ms > 0 ? ms : 1000};
}

}  // namespace mk::cloudstack

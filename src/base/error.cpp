#include "base/error.hpp"

#include <array>
#include <utility>

namespace mk {
namespace {

constexpr std::array<std::pair<ErrorCode, std::string_view>, 12> code_words{{
    {ErrorCode::invalid, "invalid"},
    {ErrorCode::not_found, "not_found"},
    {ErrorCode::conflict, "conflict"},
    {ErrorCode::unauthenticated, "unauthenticated"},
    {ErrorCode::forbidden, "forbidden"},
    {ErrorCode::unavailable, "unavailable"},
    {ErrorCode::timeout, "timeout"},
    {ErrorCode::cancelled, "cancelled"},
    {ErrorCode::exhausted, "exhausted"},
    {ErrorCode::corrupt, "corrupt"},
    {ErrorCode::external, "external"},
    {ErrorCode::internal, "internal"},
}};

}  // namespace

std::string_view to_string(ErrorCode code) {
    for (const auto& [known, word] : code_words) {
        if (known == code) {
            return word;
        }
    }
    return "internal";
}

ErrorCode error_code_from(std::string_view word) {
    for (const auto& [code, known] : code_words) {
        if (known == word) {
            return code;
        }
    }
    throw Error(ErrorCode::invalid, "'" + std::string(word) + "' is not an error code");
}

Error::Error(ErrorCode code, std::string cause, Advice advice)
    : code_(code), cause_(std::move(cause)), advice_(std::move(advice)) {}

Error Error::with_native(std::string native) const {
    Error copy = *this;
    copy.native_ = std::move(native);
    return copy;
}

Error Error::within(std::string_view context) const {
    Error copy = *this;
    copy.cause_ = std::string(context) + ": " + cause_;
    return copy;
}

Error Error::advised(Advice advice) const {
    Error copy = *this;
    const bool says_nothing = advice_.consequence.empty() && advice_.remedy.empty();
    if (copy.advice_.consequence.empty()) {
        copy.advice_.consequence = std::move(advice.consequence);
    }
    if (copy.advice_.remedy.empty()) {
        copy.advice_.remedy = std::move(advice.remedy);
    }
    // An inner error that gave advice and did not call the retry safe is believed: it was closer to the data.
    if (says_nothing) {
        copy.advice_.retry_safe = copy.advice_.retry_safe || advice.retry_safe;
    }
    return copy;
}

std::string Error::full_text() const {
    std::string text = cause_;
    if (!text.empty() && text.back() != '.') {
        text += '.';
    }
    for (const std::string* sentence : {&advice_.consequence, &advice_.remedy}) {
        if (!sentence->empty()) {
            text += ' ';
            text += *sentence;
        }
    }
    return text;
}

Error as_error(const std::exception& caught) {
    if (const auto* error = dynamic_cast<const Error*>(&caught)) {
        return *error;
    }
    return Error(ErrorCode::internal, caught.what());
}

}  // namespace mk

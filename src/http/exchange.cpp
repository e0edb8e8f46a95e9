#include "http/exchange.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "http/header_text.hpp"

namespace mk::http {

std::size_t Exchange::on_body(const char* data, std::size_t, std::size_t size, void* context) noexcept {
    auto& exchange = *static_cast<Exchange*>(context);
    if (exchange.response.body.size() + size > exchange.request.body_limit) {
        exchange.is_too_large = true;
        return 0;
    }
    exchange.response.body.append(data, size);
    return size;
}

std::size_t Exchange::on_header(const char* data, std::size_t, std::size_t size, void* context) noexcept {
    auto& response = static_cast<Exchange*>(context)->response;
    const std::string_view line(data, size);
    if (line.starts_with("HTTP/")) {  // of several heads (100 Continue) the last counts
        response.headers.clear();
        response.cookies.clear();
        return size;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
        return size;
    }
    auto name = lower_case(trimmed(line.substr(0, colon)));
    const auto value = trimmed(line.substr(colon + 1));
    if (name == "set-cookie") {
        response.cookies.emplace_back(value);
    }
    response.headers.insert_or_assign(std::move(name), std::string(value));
    return size;
}

std::size_t Exchange::on_read_request_body(char* buffer, std::size_t, std::size_t room, void* context) noexcept {
    auto& exchange = *static_cast<Exchange*>(context);
    const auto size = std::min(room, exchange.request.body.size() - exchange.sent);
    std::memcpy(buffer, exchange.request.body.data() + exchange.sent, size);
    exchange.sent += size;
    return size;
}

}  // namespace mk::http

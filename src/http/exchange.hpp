#pragma once
// What one call of the client reads and writes: the callbacks that libcurl calls, on the caller's thread.

#include <cstddef>

#include "http/client.hpp"

namespace mk::http {

struct Exchange {
    explicit Exchange(const Request& request_in) : request(request_in) {}

    /// CURLOPT_WRITEFUNCTION, CURLOPT_HEADERFUNCTION, CURLOPT_READFUNCTION; `context` is the Exchange.
    static std::size_t on_body(const char* data, std::size_t unit, std::size_t size, void* context) noexcept;
    static std::size_t on_header(const char* data, std::size_t unit, std::size_t size, void* context) noexcept;
    static std::size_t on_read_request_body(char* buffer, std::size_t unit, std::size_t room, void* context) noexcept;

    const Request& request;
    Response response;
    std::size_t sent = 0;  ///< bytes of the request's body
    bool is_too_large = false;
};

}  // namespace mk::http

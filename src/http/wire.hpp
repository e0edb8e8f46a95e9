#pragma once
// An answer as bytes of HTTP/1.1. Pure functions but for the clock in the Date header.

#include <string>

#include "http/server.hpp"

namespace mk::http {

struct AnswerFraming {
    bool is_head = false;  ///< the request was HEAD: header only
    bool keep_alive = true;
};

/// Headers with line breaks are left out and logged: they would let request data write into the answer's head.
std::string to_wire(const ServerResponse& response, const std::string& request_id, const AnswerFraming& framing);

/// The caller's id when it is harmless to log and echo, otherwise a new one.
std::string request_id_from(const std::string& offered);

}  // namespace mk::http

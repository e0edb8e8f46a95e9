#include "tunnel/openssl_error.hpp"

#include <openssl/err.h>

namespace mk::tunnel {

std::string take_openssl_error() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    return reason == nullptr ? "no reason given" : reason;
}

}  // namespace mk::tunnel

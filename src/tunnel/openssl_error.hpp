#pragma once
// OpenSSL's queue of errors as text.

#include <string>

namespace mk::tunnel {

/// The newest entry of this thread's queue, which is emptied; "no reason given" when there is none.
std::string take_openssl_error();

}  // namespace mk::tunnel

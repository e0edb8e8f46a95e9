#pragma once
// Which of TLS 1.3's ciphers this processor does best.

#include <string>

namespace mk::tunnel {

/// OpenSSL's list for SSL_CTX_set_ciphersuites(), best first. Measured once per process (some milliseconds).
/// AES-128-GCM goes first wherever it is not clearly slower than ChaCha20: peers are more likely to have instructions
/// for it.
const std::string& preferred_ciphers();

}  // namespace mk::tunnel

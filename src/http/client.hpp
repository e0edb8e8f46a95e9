#pragma once
// HTTP client on libcurl: one Client per peer and thread; it keeps its connection, TLS session and cookies between
// calls. Transport failures throw Error (unavailable, timeout, cancelled; unauthenticated for a certificate that is not
// the pinned one); an HTTP status of any kind is an answer, not an error.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace mk::http {

/// Plain values; every member has an initialiser so that designated initialisers may leave out the rest.
struct Request {
    std::string method = "GET";
    std::string url{};
    std::string unix_socket{};  ///< path of a socket to connect to, whatever host the URL names; at most 107 bytes
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string body{};
    std::chrono::milliseconds limit{30'000};  ///< for the whole call
    Bytes body_limit = 64 * MiB;              ///< of the answer; more is Error{external}
    /// libcurl repeats a request when a reused connection breaks before the first byte of an answer. A request with a
    /// body and a POST are never repeated; set this for a GET that changes something (CloudStack's commands).
    bool send_once = false;
};

struct Response {
    int status = 0;
    std::map<std::string, std::string> headers{};  ///< names in lower case; of repeated headers the last
    std::vector<std::string> cookies{};            ///< raw Set-Cookie values, byte for byte
    std::string body{};
};

/// Who the peer must prove to be. Exactly one way is used: a pin when given, otherwise CA verification with name check.
struct TlsTrust {
    std::string sha256_pin{};  ///< of the leaf certificate (DER), hex pairs with or without colons, any case
    std::string ca_file{};     ///< PEM; empty = the system's
};

class Client {
  public:
    explicit Client(TlsTrust trust = {});
    ~Client();
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;

    /// Cookies that the peer set are sent back, byte for byte, unless the request brings a Cookie header: then that one
    /// alone is sent (none when its value is empty) and cookies of the answer are not kept.
    Response send(const Request& request, const std::stop_token& stop = {});
    /// vSphere refuses a Login that carries the cookie of a living session.
    void forget_cookies();
    /// SHA-256 ("AB:CD:...") of the leaf certificate seen in the last TLS handshake; empty before.
    const std::string& peer_certificate_sha256() const;
    /// SHA-1 of the same certificate in the form that VDDK wants (vsphere.md section 1).
    const std::string& peer_certificate_sha1() const;
    /// The same certificate as PEM.
    const std::string& peer_certificate_pem() const;

  private:
    friend std::string fetch_certificate_sha256(const std::string& url, std::chrono::milliseconds limit);

    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// RFC 3986 percent-encoding of everything but unreserved characters.
std::string url_encode(std::string_view text);

/// Connects without sending anything and tells the certificate that the server shows, for a person to confirm.
/// Throws Error{unavailable}.
std::string fetch_certificate_sha256(const std::string& url, std::chrono::milliseconds limit);

}  // namespace mk::http

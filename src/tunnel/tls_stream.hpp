#pragma once
// TLS 1.3 (RFC 8446) with both sides proving their key, over any ByteStream. There are no authorities and no names: a
// peer's certificate is self-signed, within its validity, and its key is one that `is_trusted` knows. Session tickets
// are off: each connection proves the key anew.
//
// After the handshake the accepting side sends one byte (Welcome). Without it the dialling side could not tell a
// refusal, because in TLS 1.3 its own handshake is over before the other side has looked at its certificate.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "os/byte_stream.hpp"
#include "tunnel/identity.hpp"

namespace mk::tunnel {

enum class Welcome : std::uint8_t {
    served = 1,
    busy = 2,  ///< too many connections; the stream is closed
};

struct TlsOptions {
    Identity identity;
    /// By ALPN name. Dialling: the one that is wanted. Accepting: those that are served.
    std::vector<std::string> protocols{};
    /// Whether the peer with this key's fingerprint may talk to us; called once, during the handshake. When it throws,
    /// the handshake fails with Error{unavailable} on both sides.
    std::function<bool(const std::string& fingerprint)> is_trusted{};
    /// For the whole handshake, the Welcome included.
    std::chrono::milliseconds handshake_limit{10'000};
    /// What counts as the present when the peer's certificate is looked at.
    Instant now = SystemClock{}.now();
    /// After how many bytes sent the traffic key is replaced. AES-GCM must not encrypt more than 2^24.5 records with
    /// one key (RFC 8446, 5.5), that is 360 GiB.
    Bytes rekey_after = 256 * GiB;
    /// Ends the handshake with Error{cancelled}.
    std::stop_token stop{};
};

/// See ByteStream for threads. An end without TLS's own good-bye is Error{unavailable}: somebody cut the connection.
class TlsStream : public os::ByteStream {
  public:
    virtual const std::string& protocol() const = 0;
    virtual const std::string& peer_fingerprint() const = 0;
    /// True when bytes of the peer may be here already, so that waiting at the socket would be wrong.
    virtual bool has_input() const = 0;
    /// Until further notice every call ends with Error{timeout} at this instant, however busy the peer is. A limit
    /// alone is none for a peer that sends a byte now and then.
    virtual void set_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) = 0;
    /// Says good-bye for this direction; reading goes on.
    virtual void finish_writing() = 0;
};

/// Error{forbidden} when the peer is not trusted or refuses us (native text: "UnknownPeer", "Refused"),
/// Error{timeout}, Error{unavailable} for everything else that ends
/// a handshake.
std::unique_ptr<TlsStream> tls_connect(std::unique_ptr<os::ByteStream> lower, const TlsOptions& options);
/// The same for the side that was dialled; the Welcome is sent by welcome().
std::unique_ptr<TlsStream> tls_accept(std::unique_ptr<os::ByteStream> lower, const TlsOptions& options);
void welcome(TlsStream& accepted, Welcome answer);

}  // namespace mk::tunnel

#pragma once
// The one exchange with a key that is not known yet (mk-pair/1). Inside of TLS with any self-signed certificate on both
// sides; who holds which key is therefore proved, and the proofs bind the keys to the code:
//
//   VMA -> OMA   {"proof": HMAC(code, "migratekit pairing 1" "vma" key of the VMA, key of the OMA)}
//   OMA -> VMA   {"proof": HMAC(code, "migratekit pairing 1" "oma" ...)}        the code is used up
//   VMA -> OMA   {"appliance_id", "name", "api_token"}
//   OMA -> VMA   {"name"} or {"error"}
//
// HMAC-SHA256 in hex, keys as fingerprints (identity.hpp), one JSON object per line. Somebody in between has another
// key and cannot make either proof; the code has too many bits to be tried from a proof. Nothing is said to a wrong
// one.

#include <chrono>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/secret.hpp"
#include "tunnel/pairing_store.hpp"
#include "tunnel/tls_stream.hpp"

namespace mk::tunnel {

struct PairingLimits {
    /// After so many wrong proofs all open invitations end. Any stranger can send them, so a small number would only
    /// let him prevent pairing: a code of 100 bits is safe from far more guesses than its ten minutes have room for.
    int wrong_proofs = 10'000;
    /// For the whole exchange after the TLS handshake.
    std::chrono::milliseconds exchange{20'000};
};

/// The OMA's side. Thread-safe.
class PairingDesk {
  public:
    /// `name` is what the VMA shows for this OMA.
    PairingDesk(PairingStore& store, std::string name, PairingLimits limits = {});

    /// Whether an invitation is open: otherwise the protocol is not served at all.
    bool is_open() const;
    /// One exchange. Throws when no pairing came of it.
    Pairing serve(TlsStream& stream, const std::string& own_fingerprint);

  private:
    std::string matching_code(const std::string& proof, const std::string& peer, const std::string& own) const;
    void count_wrong_proof();
    void check_may_be_added(const Pairing& pairing) const;

    PairingStore& store_;
    const std::string name_;
    const PairingLimits limits_;
    std::mutex mutex_;
    int wrong_proofs_ = 0;
};

struct PairingRequest {
    std::string folder;   ///< of this VMA
    std::string gateway;  ///< "host:port"
    std::string code;     ///< as it was typed
    std::string appliance_id;
    std::string name;
    Secret api_token;  ///< of vma-api
};

/// The VMA's side: pairs, and keeps the pairing (its appliance id is "oma"). Error{forbidden} when the code is not
/// accepted, or when the gateway does not know it either; Error{conflict} when the OMA has another appliance of that
/// id.
Pairing pair_with_gateway(const PairingRequest& request, std::chrono::milliseconds limit, const std::stop_token& stop);

}  // namespace mk::tunnel

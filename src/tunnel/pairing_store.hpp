#pragma once
// Whom an appliance trusts: one file per pairing (0600) and one per open invitation in a folder. Read anew for each
// decision, so that another process's removal counts at once. Thread-safe, process-safe.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"

namespace mk::tunnel {

struct Pairing {
    std::string appliance_id;
    std::string name;         ///< for people
    std::string fingerprint;  ///< of the peer's key, see Identity
    std::string address;      ///< VMA side: "host:port" of the gateway; else empty
    Secret api_token;         ///< OMA side: the bearer token of the VMA's API, handed over at pairing
    Instant paired_at{};
};

struct Invitation {
    std::string code;  ///< 20 characters of base32 in groups of five, 100 random bits; shown once
    Instant expires{};
};

class PairingStore {
  public:
    PairingStore(std::string folder, const Clock& clock);

    std::vector<Pairing> list() const;
    std::optional<Pairing> find(const std::string& appliance_id) const;
    std::optional<Pairing> find_by_fingerprint(const std::string& fingerprint) const;
    void put(const Pairing& pairing);
    /// True when it was there.
    bool remove(const std::string& appliance_id);

    /// Valid for 10 minutes and for one use.
    Invitation invite();
    /// The codes that are valid now (kept hashed is not possible: they key an HMAC; the files are 0600 and
    /// short-lived).
    std::vector<std::string> open_codes() const;
    /// False when it is used up or expired; true exactly once.
    bool use_up(const std::string& code);

  private:
    std::string folder_;
    const Clock& clock_;
};

}  // namespace mk::tunnel

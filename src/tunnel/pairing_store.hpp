#pragma once
// Whom an appliance trusts: one file per pairing (0600) and one per open invitation in a folder (0700). Read anew for
// each decision, so that another process's removal counts at once. Thread-safe, process-safe. A file that cannot be
// understood trusts nobody and is told in the log. One that cannot be read (no descriptor left, a failing disk) says
// nothing about whom to trust: everything here then throws Error{external, forbidden, exhausted}, and the caller keeps
// what he knew, lets nobody new in, and asks again. What is removed stays removed after a crash.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"

namespace mk::tunnel {

struct Pairing {
    std::string appliance_id;  ///< 1 to 64 letters, digits, '-', '_', '.'; does not begin with '.'
    std::string name;          ///< for people
    std::string fingerprint;   ///< of the peer's key, see Identity
    std::string address;       ///< VMA side: "host:port" of the gateway; else empty
    Secret api_token;          ///< OMA side: the bearer token of the VMA's API, handed over at pairing
    Instant paired_at{};
};

struct Invitation {
    std::string code;  ///< 20 characters of base32 in groups of five, 100 random bits; shown once
    Instant expires{};
};

/// Throws Error{invalid} unless it can be an appliance's id (it becomes the name of a file and of a socket).
void check_appliance_id(const std::string& appliance_id);
/// What a person typed, as the code it stands for: without spaces and dashes, upper case, 0 1 8 read as O I B. Throws
/// Error{invalid} when that is no code.
std::string normalised_code(const std::string& typed);

class PairingStore {
  public:
    PairingStore(std::string folder, const Clock& clock);

    /// By appliance id.
    std::vector<Pairing> list() const;
    std::optional<Pairing> find(const std::string& appliance_id) const;
    std::optional<Pairing> find_by_fingerprint(const std::string& fingerprint) const;
    /// Adds or replaces. Error{invalid} for an id or a fingerprint that is none.
    void put(const Pairing& pairing);
    /// True when it was there.
    bool remove(const std::string& appliance_id);

    /// Valid for 10 minutes and for one use.
    Invitation invite();
    /// The codes that are valid now, normalised (kept hashed is not possible: they key an HMAC; the files are 0600 and
    /// short-lived). Removes what has expired.
    std::vector<std::string> open_codes() const;
    /// False when it is used up or expired; true exactly once. Error{invalid} when it is no code.
    bool use_up(const std::string& code);
    /// Every open invitation ends: somebody is guessing.
    void withdraw_invitations();

  private:
    std::string folder_;
    const Clock& clock_;
};

}  // namespace mk::tunnel

#pragma once
// The appliances at the source sites (VMAs): pairing, which of them is used, retiring. Thread-safe.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "control/joblog/job_log.hpp"
#include "control/settings/setting_rows.hpp"

namespace mk::settings {

/// A VMA that exchanged keys with this OMA.
struct PairedAppliance {
    std::string id;
    std::string name;                    ///< for people; may be shared by two of them
    std::string fingerprint;             ///< of its key: SHA-256, 64 lower-case hex digits
    std::string fingerprint_for_people;  ///< the same in groups, as the VMA itself shows it
    Instant paired_at{};
};

struct Invitation {
    std::string code;  ///< to be typed at the VMA; works once
    Instant expires{};
    std::string fingerprint;  ///< of this side, as in PairedAppliance
    std::string fingerprint_for_people;
};

/// Who is trusted. Implemented in apps/oma-api over src/tunnel.
class Pairings {
  public:
    virtual ~Pairings() = default;
    virtual std::vector<PairedAppliance> list() const = 0;
    /// Throws Error{conflict} on an OMA without tunnel.
    virtual Invitation invite() = 0;
    /// Codes that still work.
    virtual std::size_t open_invitations() const = 0;
    /// New connections are refused from now on, running ones cut. True when it was there.
    virtual bool remove(const std::string& id) = 0;
};

/// What the configuration says about the VMA.
struct SourceChoice {
    bool has_address = false;  ///< a VMA at a configured URL: no pairing is used
    std::string appliance{};   ///< id or name of the paired one; empty: the only one
};

class SourceAppliances {
  public:
    SourceAppliances(Pairings& pairings, const joblog::JobLog& job_log, SettingRows rows, SourceChoice choice);

    /// By name.
    std::vector<PairedAppliance> list() const;
    /// By id, name or unique prefix of either. Throws Error{not_found}, naming the candidates when several match.
    PairedAppliance require(const std::string& words) const;
    /// The one that passes go through: the configured one, else the one that was used before, else the only one;
    /// nothing with a configured address. So pairing another one does not disturb what runs. Throws Error{conflict}
    /// with the remedy when none is paired, or none of several is chosen.
    std::optional<PairedAppliance> used();
    bool is_used(const PairedAppliance& appliance);
    Invitation invite();
    std::size_t open_invitations() const { return pairings_.open_invitations(); }
    /// Ends the pairing. Refused with Error{conflict} while jobs go through it, unless `force`: these then fail, their
    /// last recovery points stay. Returns what was retired.
    PairedAppliance retire(const std::string& words, bool force);

  private:
    PairedAppliance configured_one(const std::vector<PairedAppliance>& all) const;
    PairedAppliance used_before(const std::vector<PairedAppliance>& all);
    void refuse_while_needed(const PairedAppliance& appliance);

    Pairings& pairings_;
    const joblog::JobLog& job_log_;
    SettingRows rows_;
    SourceChoice choice_;
};

}  // namespace mk::settings

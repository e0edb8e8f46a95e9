#pragma once
// What target/volumes needs (ports.hpp), over the settings and the ledger that it shares with oma-api through the
// database.

#include <vector>

#include "control/ledger/effects.hpp"
#include "control/ledger/ledger.hpp"
#include "control/settings/cloudstack_settings.hpp"
#include "target/volumes/ports.hpp"

namespace mk::volumes {

class StoredCloudSettings : public CloudSettingsSource {
  public:
    explicit StoredCloudSettings(const settings::CloudStackSettingsRepository& repository) : repository_(repository) {}
    CloudSettings require() const override;

  private:
    const settings::CloudStackSettingsRepository& repository_;
};

class StoredLedger : public Ledger {
  public:
    explicit StoredLedger(ledger::Ledger& ledger) : ledger_(ledger) {}
    std::string intend(const std::string& kind, const std::string& name, const VmContextId& vm_context_id,
                       const JobId& job_id) override;
    void confirm(const std::string& entry_id, const std::string& object_id) override;
    void gone(const std::string& kind, const std::string& object_id) override;
    void name_gone(const std::string& kind, const std::string& name) override;
    std::optional<std::string> find_object(const std::string& kind, const std::string& name) const override;

  private:
    ledger::Ledger& ledger_;
};

/// What a former run of this daemon left open. To be asked before the first command is sent.
std::vector<UnfinishedCommand> unfinished_commands(const ledger::Effects& effects);

}  // namespace mk::volumes

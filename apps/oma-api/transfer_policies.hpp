#pragma once
// The operator's settings as replication asks for them. Thread-safe.

#include "control/replication/ports.hpp"
#include "control/settings/transfer_settings.hpp"

namespace mk::oma {

class TransferPolicies : public replication::BandwidthPolicy, public replication::SamplingPolicy {
  public:
    explicit TransferPolicies(const settings::TransferSettings& settings) : settings_(settings) {}

    Bytes limit_now() override { return settings_.limit_now(); }
    int compare_percent(const VmContextId&) override { return settings_.compare_percent(); }

  private:
    const settings::TransferSettings& settings_;
};

}  // namespace mk::oma

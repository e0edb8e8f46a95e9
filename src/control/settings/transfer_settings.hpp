#pragma once
// How copies run: the limits of the line between the sites, and how much of what has not changed is compared all the
// same. Rows of the table "settings"; a change counts from the next look on. Thread-safe.

#include <memory>

#include "base/clock.hpp"
#include "control/settings/bandwidth.hpp"
#include "control/settings/setting_rows.hpp"

namespace mk::settings {

/// Of what has not changed since the last recovery point, this share is read and compared with the copy in every sync,
/// so that a change tracking that lies is found within a hundred of them.
inline constexpr int default_compare_percent = 1;

class TransferSettings {
  public:
    TransferSettings(std::shared_ptr<db::Database> database, const Clock& clock);

    /// Without limit and windows until something is saved.
    BandwidthLimits bandwidth() const;
    /// Throws Error{invalid} for what problems_of() finds.
    void save_bandwidth(const BandwidthLimits& limits);
    /// The limit of the moment; 0: none.
    Bytes limit_now() const;
    Instant now() const { return clock_.now(); }

    int compare_percent() const;
    /// Throws Error{invalid} unless 0 to 100.
    void save_compare_percent(int percent);

  private:
    SettingRows rows_;
    const Clock& clock_;
};

}  // namespace mk::settings

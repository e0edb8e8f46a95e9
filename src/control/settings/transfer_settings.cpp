#include "control/settings/transfer_settings.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace mk::settings {

namespace {

constexpr const char* bandwidth_name = "bandwidth";
constexpr const char* compare_name = "replication.compare_percent";

}  // namespace

TransferSettings::TransferSettings(std::shared_ptr<db::Database> database, const Clock& clock)
    : rows_(std::move(database), clock), clock_(clock) {}

BandwidthLimits TransferSettings::bandwidth() const {
    const auto stored = rows_.find(bandwidth_name);
    return stored ? bandwidth_limits_from(json::parse(*stored)) : BandwidthLimits{};
}

void TransferSettings::save_bandwidth(const BandwidthLimits& limits) {
    const auto document = to_json(limits);
    bandwidth_limits_from(document);  // what is stored can be read again
    rows_.save(bandwidth_name, json::dump(document));
}

Bytes TransferSettings::limit_now() const {
    return limit_at(bandwidth(), clock_.now());
}

int TransferSettings::compare_percent() const {
    const auto stored = rows_.find(compare_name);
    return stored ? json::parse(*stored).get<int>() : default_compare_percent;
}

void TransferSettings::save_compare_percent(int percent) {
    if (percent < 0 || percent > 100) {
        throw Error(ErrorCode::invalid, std::to_string(percent) + " is no share in percent",
                    {.consequence = "Nothing was changed.", .remedy = "Write 0 to 100.", .retry_safe = true});
    }
    rows_.save(compare_name, std::to_string(percent));
}

}  // namespace mk::settings

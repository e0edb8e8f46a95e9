#include "target/volumes/cloud_access.hpp"

namespace mk::volumes {
namespace {

template <class Text>
const Text& configured(const Text& value, bool is_empty, const char* what) {
    if (is_empty) {
        throw Error(
            ErrorCode::conflict, std::string("the CloudStack settings do not name ") + what,
            {.consequence = "Nothing was changed.", .remedy = "Complete the CloudStack settings.", .retry_safe = true});
    }
    return value;
}

cloudstack::Endpoint endpoint_of(const CloudSettings& settings) {
    return {.url = settings.api_url,
            .api_key = settings.api_key,
            .secret_key = settings.secret_key,
            .trust = {.sha256_pin = settings.certificate_sha256, .ca_file = ""}};
}

}  // namespace

Cloud::Cloud(CloudSettings settings)
    : settings_(std::move(settings)),
      client_(endpoint_of(settings_)),
      volumes_(client_),
      snapshots_(client_, volumes_),
      placement_(client_, volumes_) {}

const CloudMachineId& Cloud::appliance() const {
    return configured(settings_.appliance_vm_id, settings_.appliance_vm_id.empty(), "the appliance's own machine");
}
const std::string& Cloud::zone_id() const {
    return configured(settings_.zone_id, settings_.zone_id.empty(), "a zone");
}
const std::string& Cloud::disk_offering_id() const {
    return configured(settings_.disk_offering_id, settings_.disk_offering_id.empty(), "a disk offering");
}

bool Cloud::is_made_from(const CloudSettings& settings) const {
    return settings.api_url == settings_.api_url && settings.certificate_sha256 == settings_.certificate_sha256 &&
           settings.api_key.reveal() == settings_.api_key.reveal() &&
           settings.secret_key.reveal() == settings_.secret_key.reveal() && settings.zone_id == settings_.zone_id &&
           settings.disk_offering_id == settings_.disk_offering_id &&
           settings.appliance_vm_id == settings_.appliance_vm_id;
}

std::shared_ptr<const Cloud> CloudAccess::open() {
    auto settings = source_.require();
    const std::lock_guard lock(current_mutex_);
    if (!current_ || !current_->is_made_from(settings)) {
        current_ = std::make_shared<Cloud>(std::move(settings));
    }
    return current_;
}

}  // namespace mk::volumes

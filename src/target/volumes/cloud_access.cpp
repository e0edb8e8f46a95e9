#include "target/volumes/cloud_access.hpp"

namespace mk::volumes {
namespace {

void require_configured(bool is_configured, const char* what) {
    if (!is_configured) {
        throw Error(
            ErrorCode::conflict, std::string("the CloudStack settings do not name ") + what,
            {.consequence = "Nothing was changed.", .remedy = "Complete the CloudStack settings.", .retry_safe = true});
    }
}

cloudstack::Endpoint endpoint_of(const CloudSettings& settings) {
    return {.url = settings.api_url,
            .api_key = settings.api_key,
            .secret_key = settings.secret_key,
            .trust = {.sha256_pin = settings.certificate_sha256, .ca_file = ""}};
}

}  // namespace

Cloud::Cloud(CloudSettings settings, cloudstack::ClientOptions options)
    : settings_(std::move(settings)),
      client_(endpoint_of(settings_), std::move(options)),
      volumes_(client_),
      snapshots_(client_, volumes_),
      clones_(client_, volumes_),
      placement_(client_, volumes_) {}

const CloudMachineId& Cloud::appliance() const {
    require_configured(!settings_.appliance_vm_id.empty(), "the appliance's own machine");
    return settings_.appliance_vm_id;
}
const std::string& Cloud::zone_id() const {
    require_configured(!settings_.zone_id.empty(), "a zone");
    return settings_.zone_id;
}
const std::string& Cloud::disk_offering_id() const {
    require_configured(!settings_.disk_offering_id.empty(), "a disk offering");
    return settings_.disk_offering_id;
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
        current_ = std::make_shared<Cloud>(std::move(settings), options_);
    }
    return current_;
}

std::shared_ptr<const Cloud> CloudAccess::open_for(const std::vector<std::string>& objects, const Progress& progress) {
    auto cloud = open();
    unfinished_.settle(cloud->client(), objects, progress);
    return cloud;
}

}  // namespace mk::volumes

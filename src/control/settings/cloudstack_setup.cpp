#include "control/settings/cloudstack_setup.hpp"

#include "base/error.hpp"

namespace mk::settings {

namespace {

std::string names_of(const std::vector<Resource>& resources) {
    std::string names;
    for (const auto& resource : resources) {
        if (resource.usable) {
            names += (names.empty() ? "" : ", ") + resource.name;
        }
    }
    return names.empty() ? "none that can be used" : names;
}

Error unresolved(const char* kind, const std::string& wanted, const std::vector<Resource>& resources) {
    return {ErrorCode::invalid,
            wanted.empty() ? std::string("this CloudStack offers no usable ") + kind
                           : std::string("this CloudStack has no usable ") + kind + " '" + wanted + "'",
            {.consequence = "Nothing was changed.",
             .remedy = "There is: " + names_of(resources) + ".",
             .retry_safe = true}};
}

Resource resolve(const char* kind, const std::string& wanted, const std::vector<Resource>& resources) {
    for (const auto& resource : resources) {
        if (resource.usable && (wanted.empty() || resource.name == wanted || resource.id == wanted)) {
            return resource;
        }
    }
    throw unresolved(kind, wanted, resources);
}

std::string resolve_own_machine(const std::string& wanted, const Resources& found) {
    if (!wanted.empty()) {
        return resolve("machine", wanted, found.machines).id;
    }
    if (found.own_machine_id.empty()) {
        throw Error(ErrorCode::invalid, "the appliance could not find its own machine in CloudStack",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Name it with --appliance-vm. There is: " + names_of(found.machines) + ".",
                     .retry_safe = true});
    }
    return found.own_machine_id;
}

}  // namespace

CloudStackSetup::CloudStackSetup(CloudStackSettingsRepository& repository, ResourceDiscovery& discovery)
    : repository_(repository), discovery_(discovery) {}

CloudStackSettings CloudStackSetup::complete(CloudStackSettings access) const {
    if (access.api_url.empty()) {
        return repository_.require();
    }
    if (access.api_key.empty() || access.secret_key.empty()) {
        throw Error(
            ErrorCode::invalid, "the API key or the secret key is missing",
            {.consequence = "Nothing was changed.", .remedy = "Give both keys of the account.", .retry_safe = true});
    }
    return access;
}

Resources CloudStackSetup::discover(CloudStackSettings access, const std::stop_token& stop) {
    return discovery_.discover(complete(std::move(access)), stop);
}

CloudStackSettings CloudStackSetup::configure(CloudStackSettings access, const Choice& choice,
                                              const std::stop_token& stop) {
    auto chosen = complete(std::move(access));
    // Networks, templates and offerings depend on the zone, so the zone is chosen first.
    chosen.zone_id.clear();
    const auto zone = resolve("zone", choice.zone, discovery_.discover(chosen, stop).zones);
    chosen.zone_id = zone.id;
    chosen.zone_name = zone.name;
    const auto found = discovery_.discover(chosen, stop);
    chosen.template_id = resolve("template", choice.template_name, found.templates).id;
    chosen.service_offering_id = resolve("service offering", choice.service_offering, found.service_offerings).id;
    chosen.disk_offering_id = resolve("disk offering", choice.disk_offering, found.disk_offerings).id;
    chosen.network_id = choice.network.empty() ? "" : resolve("network", choice.network, found.networks).id;
    chosen.test_network_id =
        choice.test_network.empty() ? "" : resolve("network", choice.test_network, found.networks).id;
    chosen.appliance_vm_id.value = resolve_own_machine(choice.appliance_vm, found);
    repository_.save(chosen);
    return chosen;
}

}  // namespace mk::settings

// Vcenter: what apps call, put together from the parts of this folder.
#include <algorithm>
#include <cctype>
#include <mutex>

#include "source/vsphere/disk_readers.hpp"
#include "source/vsphere/freezer.hpp"
#include "source/vsphere/frozen_snapshot.hpp"
#include "source/vsphere/inventory_names.hpp"
#include "source/vsphere/machine_facts.hpp"
#include "source/vsphere/own_snapshots.hpp"
#include "source/vsphere/power.hpp"
#include "source/vsphere/property_reader.hpp"

namespace mk::vsphere {
namespace {

// Folders and datastores move rarely; machines are always read fresh.
constexpr std::chrono::minutes names_lifetime{1};

bool contains_ignoring_case(const std::string& text, const std::string& part) {
    const auto equal = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
    return std::search(text.begin(), text.end(), part.begin(), part.end(), equal) != text.end();
}

class VcenterImpl : public Vcenter {
  public:
    VcenterImpl(const Access& access, const std::stop_token& stop)
        : VcenterImpl(parse_address(access.url), {access.certificate_sha256, access.ca_file}, access, stop) {}

    std::string instance_uuid() const override { return session_->content().instance_uuid; }
    std::string version() const override { return session_->content().full_name; }

    std::vector<SourceMachine> discover(const std::string& filter, const std::stop_token& stop) override;
    SourceMachine machine(const std::string& moref, const std::stop_token& stop) override;
    PowerInfo power(const std::string& moref, const std::stop_token& stop) override {
        return read_power(*session_, vm_reference(moref), stop);
    }
    void shut_down_guest(const std::string& moref, const std::stop_token& stop) override {
        vsphere::shut_down_guest(*session_, vm_reference(moref), stop);
    }
    void power_off(const std::string& moref, const std::stop_token& stop) override {
        vsphere::power_off(*session_, vm_reference(moref), stop);
    }
    void power_on(const std::string& moref, const std::stop_token& stop) override {
        vsphere::power_on(*session_, vm_reference(moref), stop);
    }
    std::unique_ptr<FrozenMachine> freeze(const std::string& moref, const FreezeOptions& options,
                                          const std::stop_token& stop) override;
    SweepResult sweep_snapshots(const std::string& moref, const std::string& appliance_id,
                                const std::stop_token& stop) override {
        return sweep(*session_, vm_reference(moref), appliance_id, stop);
    }
    std::vector<FoundSnapshot> find_snapshots(const std::stop_token& stop) override {
        return find_own_snapshots(*session_, stop);
    }
    void remove_snapshot(const std::string& moref, const std::string& snapshot, const std::stop_token& stop) override {
        remove_own_snapshot(*session_, vm_reference(moref), snapshot, stop);
    }

  private:
    VcenterImpl(const Address& address, const http::TlsTrust& trust, const Access& access, const std::stop_token& stop)
        : session_(std::make_shared<Session>(std::make_unique<HttpTransport>(address, trust),
                                             Session::Login{access.username, access.password}, Pacing{}, stop)),
          readers_(std::make_shared<DiskReaders>(session_, address, trust, access.readers)) {}

    std::shared_ptr<const InventoryNames> names(const std::stop_token& stop);
    SourceMachine describe(const MachineFacts& facts, const InventoryNames& names) const {
        return to_source_machine(facts, names, instance_uuid(), readers_->limits());
    }

    const std::shared_ptr<Session> session_;
    const std::shared_ptr<DiskReaders> readers_;

    std::mutex names_mutex_;  // protects the next two; not held while they are read
    std::shared_ptr<const InventoryNames> names_;
    std::chrono::steady_clock::time_point names_read_{};
};

std::shared_ptr<const InventoryNames> VcenterImpl::names(const std::stop_token& stop) {
    {
        const std::lock_guard lock(names_mutex_);
        if (names_ && std::chrono::steady_clock::now() - names_read_ < names_lifetime) {
            return names_;
        }
    }
    auto fresh = std::make_shared<const InventoryNames>(InventoryNames::load(*session_, stop));
    const std::lock_guard lock(names_mutex_);
    names_ = fresh;
    names_read_ = std::chrono::steady_clock::now();
    return fresh;
}

std::vector<SourceMachine> VcenterImpl::discover(const std::string& filter, const std::stop_token& stop) {
    const auto places = names(stop);
    std::vector<SourceMachine> machines;
    for (const auto& object :
         read_inventory(*session_, {"VirtualMachine"}, {{"VirtualMachine", machine_paths()}}, stop)) {
        auto machine = describe(read_facts(object), *places);
        // The path ends with the name.
        if (contains_ignoring_case(machine.path, filter)) {
            machines.push_back(std::move(machine));
        }
    }
    std::sort(machines.begin(), machines.end(),
              [](const SourceMachine& a, const SourceMachine& b) { return a.path < b.path; });
    return machines;
}

SourceMachine VcenterImpl::machine(const std::string& moref, const std::stop_token& stop) {
    const auto facts = fetch_facts(*session_, vm_reference(moref), stop);
    return describe(facts, *names(stop));
}

std::unique_ptr<FrozenMachine> VcenterImpl::freeze(const std::string& moref, const FreezeOptions& options,
                                                   const std::stop_token& stop) {
    if (options.quiesce != "never" && options.quiesce != "try" && options.quiesce != "required") {
        throw Error(ErrorCode::invalid, "the quiesce rule '" + options.quiesce + "' is none of never, try, required");
    }
    if (options.on_stage) {
        options.on_stage("Connecting");
    }
    const auto places = names(stop);
    std::string datacenter;
    const auto refuse = [&](const MachineFacts& facts) {
        datacenter = session_->content().is_vcenter() ? places->datacenter_path(facts.folder) : "";
        for (const auto& finding : judge(facts, *places, readers_->limits())) {
            if (finding.severity == Severity::blocker) {
                throw Error(ErrorCode::conflict, "'" + facts.name + "' cannot be replicated: " + finding.text,
                            {.consequence = "No snapshot was taken.", .remedy = finding.remedy, .retry_safe = true})
                    .with_native(finding.code);
            }
        }
    };
    auto frozen = Freezer(*session_, vm_reference(moref), options, refuse, stop).freeze();
    return std::make_unique<FrozenSnapshot>(session_, readers_, std::move(frozen), datacenter);
}

}  // namespace

std::shared_ptr<Vcenter> Vcenter::connect(const Access& access, const std::stop_token& stop) {
    return std::make_shared<VcenterImpl>(access, stop);
}

}  // namespace mk::vsphere

#pragma once
// CloudStack's machines, the guest tools and the boot check as the ports see them. A started machine writes to its
// volumes, a conversion too: what is not protected by a snapshot is changed for good. Destroying a machine destroys the
// root volume that it has, replica or not, as CloudStack does. Thread-safe.

#include <algorithm>
#include <map>
#include <mutex>

#include "base/retry.hpp"
#include "control/failover/ports.hpp"
#include "unit/control/fake_volumes.hpp"

namespace mk::test {

class FakeCloud : public failover::CloudMachines, public failover::GuestPreparation, public failover::BootCheck {
  public:
    FakeCloud(Faults& faults, FakeVolumes& volumes) : faults_(faults), volumes_(volumes) {}

    std::map<CloudMachineId, failover::CloudMachine> machines;
    std::vector<failover::MachineOrder> orders;
    std::vector<std::string> networks = {"net-live", "net-test"};
    failover::Preparation preparation{.ready = true, .needs_uefi = false, .text = "VirtIO drivers are in"};
    failover::GuestInspection inspection{.has_system = true,
                                         .family = "linux",
                                         .product = "Debian GNU/Linux 12",
                                         .architecture = "x86_64",
                                         .boot_disk = 0,
                                         .needs_uefi = false,
                                         .findings = {}};
    std::vector<Finding> assessment;
    bool prepare_hangs = false;  ///< until it is stopped, and says then that it was killed
    failover::BootEvidence evidence{failover::BootVerdict::booted, "HTTP 200", {}};
    bool may_expunge = true;
    bool stop_works = true;
    std::function<void()> on_create;
    std::function<void()> on_start;

    void check(const std::stop_token&) override {
        faults_.call("cloud.check", [] {});
    }
    std::optional<failover::CloudMachine> find(const CloudMachineId& id, const std::stop_token&) override {
        return faults_.call("cloud.find", [&] {
            const std::lock_guard lock(mutex_);
            const auto found = machines.find(id);
            return found == machines.end() ? std::nullopt : std::optional(found->second);
        });
    }
    std::optional<failover::CloudMachine> find_by_name(const std::string& name, const std::stop_token&) override {
        return faults_.call("cloud.find_by_name", [&]() -> std::optional<failover::CloudMachine> {
            const std::lock_guard lock(mutex_);
            for (const auto& [id, machine] : machines) {
                if (machine.name == name) {
                    return machine;
                }
            }
            return std::nullopt;
        });
    }
    failover::CloudMachine create(const failover::MachineOrder& order, const std::stop_token&) override {
        return faults_.call("cloud.create", [&] {
            if (on_create) {
                on_create();
            }
            const std::lock_guard lock(mutex_);
            orders.push_back(order);
            const CloudMachineId id{"machine-" + std::to_string(orders.size())};
            volumes_.default_roots[id] = VolumeId{"root-of-" + id.value};
            return machines[id] = {.id = id, .name = order.name, .state = "Stopped", .nics = {}};
        });
    }
    failover::CloudMachine start(const CloudMachineId& id, const std::stop_token&) override {
        return faults_.call("cloud.start", [&] {
            if (on_start) {
                on_start();
            }
            const std::lock_guard lock(mutex_);
            machines.at(id).state = "Running";
            volumes_.modify([&](const FakeVolume& v) { return v.row.vm_id == id; }, "+booted");
            return machines.at(id);
        });
    }
    void stop(const CloudMachineId& id, const std::stop_token&) override {
        faults_.call("cloud.stop", [&] {
            const std::lock_guard lock(mutex_);
            if (stop_works) {
                machines.at(id).state = "Stopped";
            }
        });
    }
    bool destroy(const CloudMachineId& id, const std::stop_token&) override {
        return faults_.call("cloud.destroy", [&] {
            const std::lock_guard lock(mutex_);
            const auto is_its_root = [&](const auto& v) {
                return v.second.row.vm_id == id && v.second.row.type == "ROOT";
            };
            std::erase_if(volumes_.volumes, is_its_root);
            std::erase_if(volumes_.clones, is_its_root);
            if (may_expunge) {
                machines.erase(id);
                volumes_.default_roots.erase(id);
            } else if (machines.contains(id)) {
                machines.at(id).state = "Destroyed";
            }
            return may_expunge;
        });
    }
    std::vector<std::string> network_ids(const std::stop_token&) override {
        return faults_.call("cloud.network_ids", [&] { return networks; });
    }

    std::vector<Finding> assess(const failover::CloudNeeds&, const std::stop_token&) override {
        return faults_.call("cloud.assess", [&] { return assessment; });
    }
    void settle(const JobId&, const std::stop_token&) override {
        faults_.call("cloud.settle", [] {});
    }

    void check() override {
        faults_.call("guest.check", [] {});
    }
    failover::GuestInspection inspect(const std::vector<failover::GuestDisk>&, const SourceMachine&,
                                      const std::stop_token&) override {
        return faults_.call("guest.inspect", [&] { return inspection; });
    }
    failover::Preparation prepare(const std::vector<failover::GuestDisk>& disks, const SourceMachine&,
                                  const failover::Report& log, const std::stop_token& stop) override {
        return faults_.call("guest.prepare", [&] {
            log("converting");
            if (prepare_hangs) {
                pause(std::chrono::minutes{1}, stop);
                throw Error(ErrorCode::external, "virt-v2v-in-place was killed");
            }
            volumes_.modify(
                [&](const FakeVolume& v) {
                    return std::any_of(disks.begin(), disks.end(), [&](const auto& d) {
                        return !d.device_path.empty() && d.device_path == v.row.device_path;
                    });
                },
                "+virtio");
            return preparation;
        });
    }

    failover::BootEvidence observe(const failover::CloudMachine&, const failover::BootExpectation&,
                                   const std::stop_token&) override {
        return faults_.call("boot.observe", [&] { return evidence; });
    }
    void check(const failover::BootExpectation& expected) override {
        faults_.call("boot.check", [&] {
            for (const auto& probe : expected.probes) {
                if (probe == "nonsense") {
                    throw Error(ErrorCode::invalid, "'nonsense' is not a probe");
                }
            }
        });
    }

  private:
    Faults& faults_;
    FakeVolumes& volumes_;
    std::mutex mutex_;
};

}  // namespace mk::test

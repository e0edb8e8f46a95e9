#pragma once
// The services of target/volumes over a cloud in memory and a database of their own; devices are absent.

#include <set>

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/memory_cloud.hpp"
#include "support/temporary_folder.hpp"
#include "target/volumes/clone_service.hpp"
#include "target/volumes/default_root_service.hpp"
#include "target/volumes/snapshot_service.hpp"
#include "target/volumes/volume_service.hpp"

namespace mk::volumes::test_support {

class FixedSettings : public CloudSettingsSource {
  public:
    CloudSettings require() const override {
        return {.api_url = "cloud.example:8080",
                .certificate_sha256 = "",
                .api_key = Secret("key"),
                .secret_key = Secret("secret"),
                .zone_id = "zone",
                .disk_offering_id = "offering",
                .appliance_vm_id = CloudMachineId{"vm-oma"}};
    }
};

/// Open entries as "kind name -> object".
class MemoryLedger : public Ledger {
  public:
    std::string intend(const std::string& kind, const std::string& name, const VmContextId&, const JobId&) override {
        open.try_emplace(kind + " " + name, "");
        return kind + " " + name;
    }
    void confirm(const std::string& entry, const std::string& object) override { open.at(entry) = object; }
    void gone(const std::string& kind, const std::string& object) override {
        std::erase_if(open, [&](const auto& e) { return e.first.starts_with(kind + " ") && e.second == object; });
    }
    void name_gone(const std::string& kind, const std::string& name) override { open.erase(kind + " " + name); }
    std::optional<std::string> find_object(const std::string& kind, const std::string& name) const override {
        const auto found = open.find(kind + " " + name);
        return found == open.end() || found->second.empty() ? std::nullopt : std::optional(found->second);
    }

    std::map<std::string, std::string> open;
};

inline std::shared_ptr<db::Database> migrated(const std::string& path) {
    auto database = db::Database::open("sqlite:" + path);
    db::migrate(*database, std::string(MK_SOURCE_DIR) + "/migrations");
    return database;
}

class DaemonRig : public testing::Test {
  protected:
    test::TemporaryFolder folder;
    std::shared_ptr<db::Database> database = migrated(folder / "test.db");
    test::FakeClock clock;
    test::MemoryCloud cloudstack;
    FixedSettings settings;
    MemoryLedger ledger;
    KeyLocks locks;
    CloudAccess cloud{settings, cloudstack.options()};
    VolumeRepository rows{database, clock};
    WriteSessionRepository session_rows{database, clock};
    DeviceLocator locator{{.by_id = folder / "by-id", .sysfs_block = folder / "sys", .nodes = folder / "dev"}};
    PersistentNames names{folder / "links"};
    DigestMap digests{folder / "digests"};
    VolumeService volumes{{cloud, rows, session_rows, locator, names, digests, ledger, locks}};
    CloneService clones{{cloud, rows, volumes, ledger}};
    SnapshotService snapshots{{cloud, rows, session_rows, digests, ledger, clock, clones}};
    DefaultRootService default_roots{{cloud, rows, ledger, locks}};
    const Progress progress{{}, [](const std::string&, double) {}};
    const VmContextId context{"ctx"};

    /// A detached replica that CloudStack has.
    VolumeId a_replica(const std::string& disk = "disk-2000") {
        VolumeRow row;
        row.id = VolumeId{cloudstack.add_volume("web-" + disk)};
        row.vm_context_id = context;
        row.disk_id = DiskId{disk};
        row.name = "web-" + disk;
        row.size = GiB;
        rows.insert(row);
        return row.id;
    }
    VolumeId a_replica_with_snapshot(const std::string& disk = "disk-2000") {
        auto id = a_replica(disk);
        snapshots.create(id, "before-" + disk, true, progress);
        return id;
    }
    std::string status_of(const VolumeId& id) const { return rows.require(id).snapshot_status; }
};

}  // namespace mk::volumes::test_support

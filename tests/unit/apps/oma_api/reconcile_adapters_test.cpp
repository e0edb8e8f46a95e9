// CloudStack as the reconciler sees it, and what it removes through.

#include "oma-api/reconcile_adapters.hpp"

#include <gtest/gtest.h>

#include "support/cloud_server.hpp"
#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::oma {
namespace {

using test::code_of;
using test::error_of;

Json list_of(const char* key, const Json& elements) {
    return {{"count", elements.size()}, {key, elements}};
}

class CloudInventoryTest : public testing::Test {
  protected:
    CloudInventoryTest() { db::migrate(*database_, MK_SOURCE_DIR "/migrations"); }
    void configure(const std::string& appliance) {
        settings::CloudStackSettings settings;
        settings.api_url = cloud_.url();
        settings.api_key = Secret("key");
        settings.secret_key = Secret("secret");
        settings.appliance_vm_id = CloudMachineId{appliance};
        settings_.save(settings);
    }
    void answer() {
        cloud_.script
            .on("listTags",
                list_of("tag", {{{"key", "migratekit.context"}, {"value", "ctx-1"}, {"resourceid", "v-1"}}}))
            .on("listVirtualMachines",
                list_of("virtualmachine", {{{"id", "m-1"}, {"name", "oma"}, {"state", "Running"}}}))
            .on("listVolumes",
                list_of("volume", {{{"id", "v-1"}, {"name", "disk"}, {"state", "Ready"}, {"size", GiB}}}))
            .on("listSnapshots",
                list_of("snapshot", {{{"id", "s-1"}, {"name", "undo"}, {"state", "BackedUp"}, {"volumeid", "v-1"}}}));
    }

    test::CloudServer cloud_;
    test::TemporaryFolder folder_;
    test::FakeClock clock_;
    std::shared_ptr<db::Database> database_ = db::Database::open("sqlite:" + (folder_ / "oma.db"));
    SecretBox box_{std::string(32, 'k')};
    settings::CloudStackSettingsRepository settings_{database_, box_, clock_};
    CloudInventory inventory_{settings_};
};

TEST_F(CloudInventoryTest, ShowsEverythingWithItsTag) {
    configure("m-1");
    answer();
    const auto view = inventory_.look({});
    EXPECT_EQ(view.appliance, CloudMachineId{"m-1"});
    ASSERT_EQ(view.machines.size(), 1U);
    EXPECT_FALSE(view.machines.front().context);
    ASSERT_EQ(view.volumes.size(), 1U);
    EXPECT_EQ(view.volumes.front().context, "ctx-1");
    EXPECT_EQ(view.volumes.front().size, GiB);
    ASSERT_EQ(view.snapshots.size(), 1U);
    EXPECT_EQ(view.snapshots.front().volume_id, VolumeId{"v-1"});
}

TEST_F(CloudInventoryTest, AnAccountThatDoesNotSeeThisApplianceSeesNothing) {
    answer();
    for (const auto* appliance : {"m-another", ""}) {
        configure(appliance);
        const auto error = error_of([&] { inventory_.look({}); });
        EXPECT_EQ(error.code(), ErrorCode::conflict) << appliance;
        EXPECT_FALSE(error.advice().remedy.empty());
    }
}

TEST_F(CloudInventoryTest, IsNotEmptyBecauseNothingIsConfigured) {
    EXPECT_EQ(code_of([&] { inventory_.look({}); }), ErrorCode::conflict);
}

}  // namespace
}  // namespace mk::oma

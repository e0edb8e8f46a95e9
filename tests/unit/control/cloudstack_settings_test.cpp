#include "control/settings/cloudstack_setup.hpp"
#include "unit/control/control_plane.hpp"

namespace mk::settings {
namespace {

using test::error_of;

/// Offers per zone what CloudStack would.
class FakeDiscovery : public ResourceDiscovery {
  public:
    Resources offered;
    std::vector<CloudStackSettings> asked;
    Resources discover(const CloudStackSettings& access, const std::stop_token&) override {
        asked.push_back(access);
        return offered;
    }
};

class CloudStackSettingsTest : public test::ControlPlane {
  protected:
    CloudStackSettingsTest() {
        discovery.offered.zones = {{"z-1", "zone1", "", true}};
        discovery.offered.templates = {{"t-1", "not ready", "", false}, {"t-2", "tiny", "", true}};
        discovery.offered.service_offerings = {{"s-1", "small", "", true}, {"s-2", "custom", "", true}};
        discovery.offered.disk_offerings = {{"d-1", "fixed", "", false}, {"d-2", "any size", "", true}};
        discovery.offered.networks = {{"n-1", "live", "", true}, {"n-2", "isolated", "", true}};
        discovery.offered.machines = {{"m-1", "oma", "Running", true}};
        discovery.offered.own_machine_id = "m-1";
    }
    static CloudStackSettings access() {
        CloudStackSettings access;
        access.api_url = "http://cloud/client/api";
        access.api_key = Secret("api key");
        access.secret_key = Secret("secret key");
        return access;
    }
    Error refusal_of(const Choice& choice) {
        return error_of([&] { setup.configure(access(), choice, {}); });
    }

    FakeDiscovery discovery;
    CloudStackSetup setup{cloudstack, discovery};
};

TEST_F(CloudStackSettingsTest, NothingIsConfiguredAtFirst) {
    EXPECT_FALSE(cloudstack.find());
    EXPECT_EQ(test::code_of([&] { cloudstack.require(); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { setup.discover({}, {}); }), ErrorCode::conflict);
}

TEST_F(CloudStackSettingsTest, KeysAreSealedAndTheRowIsUpdatedInPlace) {
    auto settings = access();
    cloudstack.save(settings);
    settings.network_id = "n-1";
    cloudstack.save(settings);
    const auto rows = stored->query("SELECT api_key_sealed, secret_key_sealed FROM ossea_configs");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].text("secret_key_sealed").find("secret key"), std::string::npos);
    EXPECT_EQ(cloudstack.require().secret_key.reveal(), "secret key");
    EXPECT_EQ(cloudstack.require().network_id, "n-1");
    const SecretBox other(std::string(32, 'x'));
    EXPECT_EQ(test::code_of([&] { CloudStackSettingsRepository(database, other, clock).require(); }),
              ErrorCode::corrupt);
}

TEST_F(CloudStackSettingsTest, NamesBecomeIds) {
    Choice choice;
    choice.zone = "zone1";
    choice.template_name = "tiny";
    choice.service_offering = "custom";
    choice.disk_offering = "any size";
    choice.network = "live";
    choice.test_network = "n-2";
    choice.appliance_vm = "oma";
    setup.configure(access(), choice, {});
    const auto saved = cloudstack.require();
    EXPECT_EQ(saved.zone_id, "z-1");
    EXPECT_EQ(saved.template_id, "t-2");
    EXPECT_EQ(saved.service_offering_id, "s-2");
    EXPECT_EQ(saved.disk_offering_id, "d-2");
    EXPECT_EQ(saved.network_id, "n-1");
    EXPECT_EQ(saved.test_network_id, "n-2");
    EXPECT_EQ(saved.appliance_vm_id.value, "m-1");
}

TEST_F(CloudStackSettingsTest, NothingNamedIsTheFirstUsableOne) {
    const auto chosen = setup.configure(access(), {}, {});
    EXPECT_EQ(chosen.template_id, "t-2");
    EXPECT_EQ(chosen.disk_offering_id, "d-2");
    EXPECT_EQ(chosen.network_id, "");  // a network is never guessed
    EXPECT_EQ(chosen.appliance_vm_id.value, "m-1");
    EXPECT_EQ(discovery.asked.front().zone_id, "");
    EXPECT_EQ(discovery.asked.back().zone_id, "z-1");
}

TEST_F(CloudStackSettingsTest, UnknownNameSaysWhatThereIsAndStoresNothing) {
    Choice choice;
    choice.network = "lvie";
    const auto error = refusal_of(choice);
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.cause().find("lvie"), std::string::npos);
    EXPECT_NE(error.advice().remedy.find("live, isolated"), std::string::npos);
    choice = {};
    choice.disk_offering = "fixed";
    EXPECT_NE(refusal_of(choice).advice().remedy.find("any size"), std::string::npos);
    EXPECT_FALSE(cloudstack.find());
}

TEST_F(CloudStackSettingsTest, MissingKeysAndAnUnknownOwnMachineAreRefused) {
    auto incomplete = access();
    incomplete.secret_key = Secret();
    EXPECT_EQ(test::code_of([&] { setup.discover(incomplete, {}); }), ErrorCode::invalid);
    discovery.offered.own_machine_id.clear();
    EXPECT_NE(refusal_of({}).advice().remedy.find("oma"), std::string::npos);
}

TEST_F(CloudStackSettingsTest, StoredAccessServesWhenNoneIsGiven) {
    setup.configure(access(), {}, {});
    Choice choice;
    choice.network = "isolated";
    setup.configure({}, choice, {});
    EXPECT_EQ(discovery.asked.back().secret_key.reveal(), "secret key");
    EXPECT_EQ(cloudstack.require().network_id, "n-2");
}

}  // namespace
}  // namespace mk::settings

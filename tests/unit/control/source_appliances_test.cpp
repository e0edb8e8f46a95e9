#include "control/settings/source_appliances.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::settings {
namespace {

using test::error_of;

/// Pairings in memory.
class FakePairings : public Pairings {
  public:
    std::vector<PairedAppliance> list() const override { return all; }
    Invitation invite() override { return {}; }
    std::size_t open_invitations() const override { return 0; }
    bool remove(const std::string& id) override {
        return std::erase_if(all, [&](const PairedAppliance& one) { return one.id == id; }) > 0;
    }

    std::vector<PairedAppliance> all;
};

class SourceAppliancesTest : public ::testing::Test {
  protected:
    SourceAppliancesTest() { db::migrate(*database_, MK_SOURCE_DIR "/migrations"); }

    void pair(const std::string& id, const std::string& name) {
        pairings_.all.push_back(
            {.id = id, .name = name, .fingerprint = {}, .fingerprint_for_people = {}, .paired_at = clock_.now()});
    }
    SourceAppliances appliances(SourceChoice choice = {}) {
        return {pairings_, job_log_, SettingRows(database_, clock_), std::move(choice)};
    }
    JobId start(JobType type, const std::string& operation) {
        return job_log_.start({.type = type,
                               .operation = operation,
                               .owner = "test",
                               .vm_context_id = {},
                               .metadata = "{}",
                               .steps = {{"copy", "Copy", 1}}});
    }

    test::TemporaryFolder folder_;
    test::FakeClock clock_;
    std::shared_ptr<db::Database> database_ = db::Database::open("sqlite:" + (folder_ / "oma.db"));
    joblog::JobLog job_log_{database_, clock_};
    FakePairings pairings_;
};

TEST_F(SourceAppliancesTest, WithoutAPairingTheRemedyIsToPair) {
    const auto error = error_of([&] { appliances().used(); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("migratekit appliance pair"), std::string::npos);
}

TEST_F(SourceAppliancesTest, TheOnlyOneIsUsed) {
    pair("id-1", "leeds");
    EXPECT_EQ(appliances().used()->id, "id-1");
    EXPECT_TRUE(appliances().is_used(pairings_.all.front()));
}

TEST_F(SourceAppliancesTest, OfSeveralTheConfiguredOneIsUsed) {
    pair("id-1", "leeds");
    pair("id-2", "york");
    const auto error = error_of([&] { appliances().used(); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("vma.appliance"), std::string::npos);
    EXPECT_NE(error.cause().find("york (id-2)"), std::string::npos);
    EXPECT_FALSE(appliances().is_used(pairings_.all.front()));

    EXPECT_EQ(appliances({.appliance = "york"}).used()->id, "id-2");
    EXPECT_EQ(appliances({.appliance = "id-1"}).used()->id, "id-1");
}

TEST_F(SourceAppliancesTest, AConfiguredOneThatIsNotPairedIsNotReplacedByAnother) {
    pair("id-1", "leeds");
    const auto error = error_of([&] { appliances({.appliance = "york"}).used(); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find("'york'"), std::string::npos);
    EXPECT_NE(error.advice().remedy.find("leeds (id-1)"), std::string::npos);
}

TEST_F(SourceAppliancesTest, PairingAnotherOneDoesNotDisturbWhatRuns) {
    pair("id-1", "leeds");
    EXPECT_EQ(appliances().used()->id, "id-1");
    pair("id-2", "york");
    EXPECT_EQ(appliances().used()->id, "id-1") << "also after a restart";
    EXPECT_EQ(appliances({.appliance = "york"}).used()->id, "id-2") << "the configuration is stronger";

    appliances().retire("leeds", false);
    EXPECT_EQ(appliances().used()->id, "id-2") << "the only one that is left";
    pair("id-3", "hull");
    EXPECT_EQ(appliances().used()->id, "id-2");
}

TEST_F(SourceAppliancesTest, AConfiguredAddressUsesNoPairing) {
    EXPECT_FALSE(appliances({.has_address = true}).used());
    pair("id-1", "leeds");
    EXPECT_FALSE(appliances({.has_address = true}).is_used(pairings_.all.front()));
}

TEST_F(SourceAppliancesTest, AreFoundByIdNameAndUniquePrefix) {
    pair("a1b2", "york");
    pair("a1c3", "leeds");
    pair("ffff", "leeds");
    const auto subject = appliances();
    EXPECT_EQ(subject.list().front().id, "a1c3") << "by name, then by id";
    EXPECT_EQ(subject.require("a1b2").name, "york");
    EXPECT_EQ(subject.require("york").id, "a1b2");
    EXPECT_EQ(subject.require("yo").id, "a1b2");
    EXPECT_EQ(subject.require("a1c").id, "a1c3");
    for (const auto* words : {"leeds", "a1", "hull", ""}) {
        EXPECT_EQ(error_of([&] { subject.require(words); }).code(), ErrorCode::not_found) << words;
    }
    EXPECT_NE(error_of([&] { subject.require("leeds"); }).cause().find("leeds (ffff)"), std::string::npos);
}

TEST_F(SourceAppliancesTest, IsNotRetiredUnderARunningSyncUnlessForced) {
    pair("id-1", "leeds");
    const auto job = start(JobType::migration, "sync");
    auto subject = appliances();

    const auto error = error_of([&] { subject.retire("leeds", false); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find("sync " + job.value), std::string::npos);
    EXPECT_EQ(pairings_.all.size(), 1u);

    EXPECT_EQ(subject.retire("leeds", true).id, "id-1");
    EXPECT_TRUE(pairings_.all.empty());
}

TEST_F(SourceAppliancesTest, IsRetiredWhenNothingGoesThroughIt) {
    pair("id-1", "leeds");
    pair("id-2", "york");
    job_log_.end(start(JobType::migration, "sync"));
    start(JobType::test_failover, "test-failover");
    auto subject = appliances({.appliance = "leeds"});
    EXPECT_EQ(subject.retire("leeds", false).id, "id-1") << "ended syncs and tests do not need it";

    start(JobType::migration, "sync");
    auto other = appliances({.appliance = "leeds"});
    EXPECT_EQ(other.retire("york", false).id, "id-2") << "the sync does not go through this one";
    EXPECT_EQ(error_of([&] { other.retire("york", true); }).code(), ErrorCode::not_found);
}

TEST_F(SourceAppliancesTest, ManyJobsAreCounted) {
    pair("id-1", "leeds");
    for (int i = 0; i < 7; ++i) {
        start(JobType::live_failover, "live-failover");
    }
    EXPECT_NE(error_of([&] { appliances().retire("leeds", false); }).cause().find("and 2 more"), std::string::npos);
}

}  // namespace
}  // namespace mk::settings

// The product's own migrations on a database that an earlier version filled.

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "db/database.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::db {
namespace {

using test::code_of;

class ProductMigrations : public testing::Test {
  protected:
    test::TemporaryFolder folder;
    const std::string files = folder / "migrations";
    const std::string own = MK_SOURCE_DIR "/migrations";
    std::shared_ptr<Database> database = Database::open("sqlite:" + (folder / "a.db"));

    /// Everything up to that number, as an installation of that version has it.
    void migrate_to(int version) {
        std::filesystem::create_directories(files);
        for (const auto& entry : std::filesystem::directory_iterator(own)) {
            if (std::stoi(entry.path().filename().string()) <= version) {
                std::filesystem::copy_file(entry.path(), files + "/" + entry.path().filename().string(),
                                           std::filesystem::copy_options::skip_existing);
            }
        }
        db::migrate(*database, files);
    }
    std::int64_t count(const std::string& table) const {
        return database->query_one("SELECT COUNT(*) AS n FROM " + table)->number("n");
    }
    void insert(const std::string& table, const Parameters& values) const {
        std::string names;
        std::string places;
        for (const auto& value : values) {
            names += (names.empty() ? "" : ", ") + value.name;
            places += (places.empty() ? ":" : ", :") + value.name;
        }
        database->execute("INSERT INTO " + table + " (" + names + ") VALUES (" + places + ")", values);
    }

    /// A volume at the appliance with an open write session and its export.
    void fill_volume(const std::string& id, const std::string& disk) const {
        insert("ossea_volumes", {{"volume_id", id},
                                 {"vm_context_id", "ctx"},
                                 {"disk_id", disk},
                                 {"volume_name", "web-" + disk},
                                 {"size_bytes", std::int64_t{1} << 40},
                                 {"written", std::int64_t{1}},
                                 {"snapshot_status", "none"},
                                 {"created_ms", std::int64_t{1}}});
        insert("device_mappings", {{"volume_uuid", id},
                                   {"vm_context_id", "ctx"},
                                   {"operation_mode", "oma"},
                                   {"vm_id", "vm-oma"},
                                   {"device_id", std::int64_t{4}},
                                   {"device_path", "/dev/vde"},
                                   {"persistent_device_name", "vol-ctx-" + disk},
                                   {"symlink_path", "/links/vol-ctx-" + disk},
                                   {"updated_ms", std::int64_t{2}}});
        insert("write_sessions", {{"session_id", "s-" + id},
                                  {"job_id", "job"},
                                  {"volume_id", id},
                                  {"kind", "staged"},
                                  {"state", "open"},
                                  {"length_bytes", std::int64_t{1} << 40},
                                  {"target_is_zero", std::int64_t{0}},
                                  {"created_ms", std::int64_t{3}},
                                  {"updated_ms", std::int64_t{3}}});
        insert("nbd_exports", {{"session_id", "s-" + id},
                               {"volume_uuid", id},
                               {"export_name", "s-" + id},
                               {"created_ms", std::int64_t{3}}});
    }
    void fill_ledger(const std::string& id, const std::string& state) const {
        insert("ledger", {{"id", id},
                          {"site", "target"},
                          {"kind", "volume"},
                          {"name", "web-" + id},
                          {"object_id", "v-" + id},
                          {"vm_context_id", "ctx"},
                          {"state", state},
                          {"created_ms", std::int64_t{1}},
                          {"updated_ms", std::int64_t{1}}});
    }
};

TEST_F(ProductMigrations, TheThirdKeepsWhatTheSecondVersionHad) {
    migrate_to(2);
    fill_volume("v-1", "disk-2000");
    fill_volume("v-2", "disk-2001");
    fill_ledger("l-1", "present");
    fill_ledger("l-2", "gone");
    migrate_to(3);
    EXPECT_EQ(count("ossea_volumes"), 2);
    EXPECT_EQ(count("write_sessions"), 2);
    EXPECT_EQ(count("nbd_exports"), 2);
    EXPECT_EQ(count("ledger"), 2);
    const auto mapping = database->query_one(
        "SELECT operation_mode, vm_id, device_id, device_path, persistent_device_name, symlink_path, updated_ms "
        "FROM device_mappings WHERE volume_uuid = 'v-2'");
    ASSERT_TRUE(mapping);
    EXPECT_EQ(mapping->text("operation_mode"), "oma");
    EXPECT_EQ(mapping->text("vm_id"), "vm-oma");
    EXPECT_EQ(mapping->number("device_id"), 4);
    EXPECT_EQ(mapping->text("device_path"), "/dev/vde");
    EXPECT_EQ(mapping->text("persistent_device_name"), "vol-ctx-disk-2001");
    EXPECT_EQ(mapping->text("symlink_path"), "/links/vol-ctx-disk-2001");
    EXPECT_EQ(mapping->number("updated_ms"), 2);
    EXPECT_EQ(database->query_one("SELECT object_id FROM ledger WHERE id = 'l-1'")->text("object_id"), "v-l-1");
    EXPECT_EQ(database->query_one("SELECT state FROM ledger WHERE id = 'l-2'")->text("state"), "gone");
}

TEST_F(ProductMigrations, TheTiesBetweenTheTablesHoldAfterTheThird) {
    migrate_to(2);
    fill_volume("v-1", "disk-2000");
    migrate_to(3);
    EXPECT_EQ(code_of([&] {
                  insert("nbd_exports", {{"session_id", "s-v-1"},
                                         {"volume_uuid", "nowhere"},
                                         {"export_name", "x"},
                                         {"created_ms", std::int64_t{1}}});
              }),
              ErrorCode::conflict);
    database->execute("DELETE FROM device_mappings WHERE volume_uuid = 'v-1'");
    EXPECT_EQ(count("nbd_exports"), 0) << "an export needs an attachment";
    database->execute("DELETE FROM ossea_volumes WHERE volume_id = 'v-1'");
    EXPECT_EQ(count("write_sessions"), 0);
}

TEST_F(ProductMigrations, ACloneKeepsItsReplicaAndHasAttachmentsOfItsOwn) {
    migrate_to(2);
    fill_volume("v-1", "disk-2000");
    migrate_to(3);
    const Parameters clone{{"id", "c-1"},
                           {"volume_name", "web-test"},
                           {"source_volume_id", "v-1"},
                           {"vm_context_id", "ctx"},
                           {"disk_id", "disk-2000"},
                           {"size_bytes", std::int64_t{1} << 40},
                           {"created_ms", std::int64_t{1}}};
    insert("volume_clones", clone);
    EXPECT_EQ(code_of([&] { insert("volume_clones", clone); }), ErrorCode::conflict);
    insert("device_mappings", {{"volume_uuid", "clone"},
                               {"vm_context_id", "ctx"},
                               {"operation_mode", "failover"},
                               {"vm_id", "vm-test"},
                               {"updated_ms", std::int64_t{1}}});
    EXPECT_EQ(code_of([&] { database->execute("DELETE FROM ossea_volumes WHERE volume_id = 'v-1'"); }),
              ErrorCode::conflict);
    database->execute("DELETE FROM volume_clones WHERE id = 'c-1'");
    EXPECT_EQ(database->execute("DELETE FROM ossea_volumes WHERE volume_id = 'v-1'"), 1);
}

TEST_F(ProductMigrations, TheLedgerKnowsWhatWasHandedOver) {
    migrate_to(3);
    fill_ledger("l-1", "handed_over");
    EXPECT_EQ(code_of([&] { fill_ledger("l-2", "lost"); }), ErrorCode::conflict);
}

}  // namespace
}  // namespace mk::db

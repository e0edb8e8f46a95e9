#include "control/settings/setting_rows.hpp"

namespace mk::settings {

namespace {

constexpr const char* select_sql = "SELECT value FROM settings WHERE name = :name";
constexpr const char* update_sql = "UPDATE settings SET value = :value, updated_ms = :now WHERE name = :name";
constexpr const char* insert_sql = "INSERT INTO settings (name, value, updated_ms) VALUES (:name, :value, :now)";

}  // namespace

SettingRows::SettingRows(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

std::optional<std::string> SettingRows::find(const std::string& name) const {
    const auto row = database_->query_one(select_sql, {{"name", name}});
    return row ? std::optional(row->text("value")) : std::nullopt;
}

void SettingRows::save(const std::string& name, const std::string& value) {
    const db::Parameters values = {{"value", value}, {"now", to_ms(clock_.now())}, {"name", name}};
    database_->transact([&](db::Session& session) {
        if (session.execute(update_sql, values) == 0) {
            session.execute(insert_sql, values);
        }
    });
}

}  // namespace mk::settings

#pragma once
// Rows of the table "settings": a name and a text. Thread-safe.

#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "db/database.hpp"

namespace mk::settings {

class SettingRows {
  public:
    SettingRows(std::shared_ptr<db::Database> database, const Clock& clock);
    std::optional<std::string> find(const std::string& name) const;
    void save(const std::string& name, const std::string& value);

  private:
    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::settings

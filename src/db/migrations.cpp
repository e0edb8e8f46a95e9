#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "db/database.hpp"
#include "db/sql_text.hpp"
#include "os/file.hpp"

namespace mk::db {
namespace {

constexpr const char* create_table = R"(
CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(191) NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    applied_ms BIGINT NOT NULL
))";
constexpr const char* select_checksum = "SELECT checksum FROM schema_migrations WHERE version = :version";
constexpr const char* select_versions = "SELECT version, name FROM schema_migrations ORDER BY version";
constexpr const char* insert_record =
    "INSERT INTO schema_migrations (version, name, checksum, applied_ms) VALUES (:version, :name, :checksum, "
    ":applied_ms)";

struct Migration {
    std::int64_t version = 0;
    std::string name;
    std::string checksum;
    std::vector<std::string> statements;
};

bool is_letter(char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_';
}

/// Types that one engine lacks or reads differently. INTEGER is the treacherous one: 32 bits through SOCI, so that a
/// size in bytes would be cut without a word.
void refuse_unportable_types(const std::string& statement, const std::string& file) {
    constexpr std::array<std::string_view, 9> words{"INTEGER", "INT",  "BOOLEAN", "DATETIME",      "TIMESTAMP",
                                                    "DATE",    "BLOB", "JSON",    "AUTO_INCREMENT"};
    if (!statement.starts_with("CREATE TABLE") && !statement.starts_with("ALTER TABLE")) {
        return;
    }
    for (std::size_t begin = 0; begin < statement.size();) {
        if (!is_letter(statement[begin])) {
            ++begin;
            continue;
        }
        std::size_t end = begin;
        while (end < statement.size() && is_letter(statement[end])) {
            ++end;
        }
        const std::string_view word = std::string_view(statement).substr(begin, end - begin);
        if (std::find(words.begin(), words.end(), word) != words.end()) {
            throw Error(ErrorCode::invalid, file + " uses the type " + std::string(word) +
                                                ", which is not portable; use BIGINT, SMALLINT, VARCHAR, TEXT");
        }
        begin = end;
    }
}

Migration read_migration(const std::filesystem::path& path) {
    constexpr std::size_t digits = 4;
    const std::string name = path.filename().string();
    const bool is_numbered =
        name.size() > digits && name[digits] == '_' &&
        std::all_of(name.begin(), name.begin() + digits, [](char letter) { return letter >= '0' && letter <= '9'; });
    if (!is_numbered) {
        throw Error(ErrorCode::invalid, "the migration " + path.string() + " is not named like 0001_name.sql");
    }
    const std::string text = os::read_file(path.string());
    Migration migration{std::stoll(name.substr(0, digits)), name, sha256_hex(text), split_statements(text)};
    for (const std::string& statement : migration.statements) {
        refuse_unportable_types(statement, name);
    }
    return migration;
}

std::map<std::int64_t, Migration> read_migrations(const std::string& folder) {
    std::error_code problem;
    std::map<std::int64_t, Migration> migrations;
    for (const auto& entry : std::filesystem::directory_iterator(folder, problem)) {
        if (entry.path().extension() != ".sql") {
            continue;
        }
        Migration migration = read_migration(entry.path());
        const std::int64_t version = migration.version;
        if (!migrations.emplace(version, std::move(migration)).second) {
            throw Error(ErrorCode::invalid,
                        "two migrations in " + folder + " have the number " + std::to_string(version));
        }
    }
    if (problem) {
        throw os::system_error("read the migrations in " + folder, problem.value());
    }
    if (migrations.empty()) {
        throw Error(ErrorCode::not_found, "there are no migrations in " + folder);
    }
    return migrations;
}

/// Looks and writes in one transaction, so that of several processes one applies it and the others see that.
void apply(Database& database, const Migration& migration) {
    bool applied = false;
    database.transact([&](Session& session) {
        applied = false;
        const auto recorded = session.query_one(select_checksum, {{"version", migration.version}});
        if (recorded) {
            if (recorded->text("checksum") != migration.checksum) {
                throw Error(ErrorCode::corrupt,
                            "the migration " + migration.name + " was changed after it had been applied",
                            {"The database was not touched.", "Install the original files of this version.", true});
            }
            return;
        }
        for (const std::string& statement : migration.statements) {
            try {
                session.execute(statement);
            } catch (const Error& error) {
                throw error.within("migration " + migration.name);
            }
        }
        session.execute(insert_record, {{"version", migration.version},
                                        {"name", migration.name},
                                        {"checksum", migration.checksum},
                                        {"applied_ms", to_ms(SystemClock().now())}});
        applied = true;
    });
    if (applied) {
        log::info("database migration={} applied", migration.name);
    }
}

/// An older program must not write into a schema it does not know.
void refuse_newer_database(Database& database, const std::map<std::int64_t, Migration>& migrations) {
    for (const Row& row : database.query(select_versions)) {
        if (!migrations.contains(row.number("version"))) {
            throw Error(ErrorCode::conflict,
                        "the database has the migration " + row.text("name") + ", which this program does not know",
                        {"The database was not touched.",
                         "Run the version of the program that made it, or a newer one.", true});
        }
    }
}

}  // namespace

void migrate(Database& database, const std::string& folder) {
    const auto migrations = read_migrations(folder);
    database.execute(create_table);
    refuse_newer_database(database, migrations);
    for (const auto& [version, migration] : migrations) {
        apply(database, migration);
    }
}

}  // namespace mk::db

#pragma once
// The database: SOCI hidden behind a small interface. Same SQL text for SQLite and MariaDB (cpp-stack.md section 5):
// named parameters ":name", portable subset only. Thread-safe: each thread or transaction leases a session from a pool.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace mk::db {

/// What a column or parameter may be: NULL, whole number, floating point, text.
using Value = std::variant<std::nullptr_t, std::int64_t, double, std::string>;

struct Parameter {
    std::string name;
    Value value;
};
using Parameters = std::vector<Parameter>;

/// Parameter from an optional.
template <class T>
Value value_of(const std::optional<T>& optional) {
    return optional ? Value(*optional) : Value(nullptr);
}

/// One row, read by column name. Wrong names or types throw Error{internal} naming the column.
class Row {
  public:
    Row(std::shared_ptr<const std::vector<std::string>> names, std::vector<Value> values);
    bool is_null(const std::string& column) const;
    std::string text(const std::string& column) const;
    std::int64_t number(const std::string& column) const;
    double real(const std::string& column) const;
    bool flag(const std::string& column) const { return number(column) != 0; }
    std::optional<std::string> text_or_null(const std::string& column) const;
    std::optional<std::int64_t> number_or_null(const std::string& column) const;

  private:
    const Value& at(const std::string& column) const;
    std::shared_ptr<const std::vector<std::string>> names_;
    std::vector<Value> values_;
};

/// Statements inside one transaction or one auto-committed call.
class Session {
  public:
    virtual ~Session() = default;
    /// Rows affected (matched).
    virtual std::int64_t execute(const std::string& sql, const Parameters& parameters = {}) = 0;
    virtual std::vector<Row> query(const std::string& sql, const Parameters& parameters = {}) = 0;
    /// The first row, if any.
    std::optional<Row> query_one(const std::string& sql, const Parameters& parameters = {});
};

class Database {
  public:
    /// "sqlite:/path/to/file". Opens or creates (mode 0600). Throws Error{unavailable|invalid}.
    static std::shared_ptr<Database> open(const std::string& url);
    virtual ~Database() = default;

    /// Runs `work` in a write transaction (BEGIN IMMEDIATE on SQLite); commits when it returns, rolls back when it
    /// throws. Repeats `work` on lock or certification conflicts, so it must have no effect outside the database.
    /// Errors: conflict (constraint), unavailable (locked, connection), exhausted (disk full), internal (SQL).
    virtual void transact(const std::function<void(Session&)>& work) = 0;
    /// A single statement outside a transaction.
    virtual std::vector<Row> query(const std::string& sql, const Parameters& parameters = {}) = 0;
    virtual std::int64_t execute(const std::string& sql, const Parameters& parameters = {}) = 0;
    std::optional<Row> query_one(const std::string& sql, const Parameters& parameters = {});
};

/// Applies the numbered files of `folder` (0001_name.sql ...) that are not recorded yet, statement by statement, with a
/// checksum each. Several processes may call it at once. Throws Error{corrupt} when an applied file was changed.
void migrate(Database& database, const std::string& folder);

}  // namespace mk::db

#include "db/dialect.hpp"

#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include "base/retry.hpp"
#include "os/file.hpp"

namespace mk::db {
namespace {

constexpr std::string_view sqlite_scheme = "sqlite:";
constexpr std::string_view sqlite_native = "sqlite ";
/// Seconds that SQLite waits for a lock of another process before it gives up.
constexpr int busy_timeout_s = 10;

ErrorCode code_of(int sqlite_result) {
    switch (sqlite_result) {
        case SQLITE_CONSTRAINT:
            return ErrorCode::conflict;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_CANTOPEN:
        case SQLITE_IOERR:
        case SQLITE_READONLY:
        case SQLITE_PERM:
            return ErrorCode::unavailable;
        case SQLITE_FULL:
            return ErrorCode::exhausted;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return ErrorCode::corrupt;
        default:
            return ErrorCode::internal;
    }
}

Advice advice_for(ErrorCode code) {
    switch (code) {
        case ErrorCode::unavailable:
            return {"Nothing was stored.", "Try again; if it stays, check the database file and who uses it.", true};
        case ErrorCode::exhausted:
            return {"Nothing was stored.", "Make room on the file system of the database.", true};
        case ErrorCode::corrupt:
            return {"Nothing was stored.", "Restore the database from a backup.", false};
        default:
            return {};
    }
}

class SqliteDialect : public Dialect {
  public:
    explicit SqliteDialect(std::string path) : path_(std::move(path)) {
        // SOCI cuts its connection string at quotes; a database in memory would be another one in every pooled session.
        if (path_.empty() || path_.find('"') != std::string::npos || path_ == ":memory:") {
            throw Error(ErrorCode::invalid, "'" + path_ + "' cannot be the path of a database file");
        }
    }

    std::unique_ptr<soci::session> connect() const override {
        create_private_file();
        try {
            auto session = std::make_unique<soci::session>(
                soci::sqlite3, "db=\"" + path_ + "\" timeout=" + std::to_string(busy_timeout_s));
            prepare_session(*session);
            return session;
        } catch (const soci::soci_error& error) {
            throw as_open_error(translate(error));
        }
    }

    std::string begin_write() const override { return "BEGIN IMMEDIATE"; }

    // static_cast: the library does not export the run-time types of its backends. Every session is made by connect().
    bool in_transaction(soci::session& session) const override {
        const auto* backend = static_cast<soci::sqlite3_session_backend*>(session.get_backend());
        return sqlite_api::sqlite3_get_autocommit(backend->conn_) == 0;
    }

    std::size_t parameter_count(soci::statement& statement) const override {
        const auto* backend = static_cast<soci::sqlite3_statement_backend*>(statement.get_backend());
        return static_cast<std::size_t>(sqlite_api::sqlite3_bind_parameter_count(backend->stmt_));
    }

    Error translate(const soci::soci_error& error) const override {
        // what() would add the parameter values; the bare message names tables and columns at most.
        const auto* native = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
        const int result = native == nullptr ? SQLITE_ERROR : native->result() & 0xff;
        const ErrorCode code = code_of(result);
        return Error(code, "database: " + error.get_error_message(), advice_for(code))
            .with_native(std::string(sqlite_native) + std::to_string(result));
    }

    bool is_lock_conflict(const Error& error) const override {
        const std::string prefix(sqlite_native);
        return error.native() == prefix + std::to_string(SQLITE_BUSY) ||
               error.native() == prefix + std::to_string(SQLITE_LOCKED);
    }

  private:
    /// Before SQLite makes it with the process's umask; its -wal and -shm files take over the mode. O_EXCL: an existing
    /// file must not be opened, because closing it again would drop the locks that this process's connections hold on
    /// it.
    void create_private_file() const {
        try {
            os::open_file(path_, O_RDWR | O_CREAT | O_EXCL, 0600);
        } catch (const Error& error) {
            if (error.native() == std::to_string(EEXIST)) {
                return;
            }
            throw Error(ErrorCode::unavailable, error.cause(),
                        {"The service cannot work without its database.",
                         "Check that the folder exists and belongs to the service's user.", true});
        }
    }

    void prepare_session(soci::session& session) const {
        session << "PRAGMA foreign_keys=ON";
        session << "PRAGMA synchronous=NORMAL";
        // The first switch to WAL needs the file alone, and SQLite does not wait for that: when several processes start
        // together, the others try again.
        const RetryPolicy policy{std::chrono::milliseconds{10}, std::chrono::milliseconds{200},
                                 std::chrono::seconds{busy_timeout_s}};
        retry(policy, {}, [&] {
            try {
                session << "PRAGMA journal_mode=WAL";
            } catch (const soci::soci_error& error) {
                throw translate(error);
            }
        });
    }

    Error as_open_error(const Error& error) const {
        if (error.code() == ErrorCode::corrupt) {
            return Error(ErrorCode::invalid, path_ + " is not a SQLite database",
                         {"It was not changed.", "Check the path in the configuration.", true});
        }
        return error.within("cannot open the database " + path_);
    }

    std::string path_;
};

}  // namespace

std::unique_ptr<Dialect> make_dialect(const std::string& url) {
    if (url.starts_with(sqlite_scheme)) {
        return std::make_unique<SqliteDialect>(url.substr(sqlite_scheme.size()));
    }
    // Only the scheme: the rest of an URL may hold a password.
    throw Error(ErrorCode::invalid, "the database URL starts with '" + url.substr(0, url.find(':')) + ":', not with '" +
                                        std::string(sqlite_scheme) + "'");
}

}  // namespace mk::db

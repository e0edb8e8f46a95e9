#include "db/database.hpp"

#include <chrono>
#include <utility>

#include <soci/soci.h>

#include "base/log.hpp"
#include "base/retry.hpp"
#include "db/dialect.hpp"
#include "db/pool.hpp"
#include "db/soci_session.hpp"

namespace mk::db {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Handlers run on a small pool; SQLite lets one of them write at a time.
constexpr std::size_t pool_size = 8;
constexpr std::chrono::seconds lease_limit{30};
/// From the first attempt; each attempt may wait for the engine's own lock time-out besides.
constexpr std::chrono::seconds repeat_limit{30};
constexpr milliseconds repeat_pause{20};

/// A transaction that was begun is committed or rolled back, whatever happens in between.
class Transaction {
  public:
    Transaction(Pool::Lease& lease, const Dialect& dialect) : lease_(lease), dialect_(dialect) {
        lease_.session() << dialect_.begin_write();
    }
    ~Transaction() {
        if (is_open_) {
            roll_back();
        }
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit() {
        lease_.session() << "COMMIT";
        is_open_ = false;
    }

  private:
    void roll_back() {
        if (!dialect_.in_transaction(lease_.session())) {
            return;  // the engine has done it already
        }
        try {
            lease_.session() << "ROLLBACK";
        } catch (const soci::soci_error& error) {
            log::warn("a database connection is closed because it could not roll back: {}", error.get_error_message());
            lease_.discard();
        }
    }

    Pool::Lease& lease_;
    const Dialect& dialect_;
    bool is_open_ = true;
};

/// Marks this thread as being inside a transaction of `database`, to turn a certain dead end into an error.
class InsideTransaction {
  public:
    explicit InsideTransaction(const Database* database) : outer_(current_) {
        if (current_ == database) {
            throw Error(ErrorCode::internal, "database: a write outside the running transaction would wait for itself");
        }
        current_ = database;
    }
    ~InsideTransaction() { current_ = outer_; }
    InsideTransaction(const InsideTransaction&) = delete;
    InsideTransaction& operator=(const InsideTransaction&) = delete;

  private:
    static thread_local const Database* current_;
    const Database* outer_;
};

thread_local const Database* InsideTransaction::current_ = nullptr;

class SociDatabase : public Database {
  public:
    explicit SociDatabase(std::unique_ptr<Dialect> dialect)
        : dialect_(std::move(dialect)), pool_(*dialect_, pool_size) {
        pool_.lease(lease_limit);  // fails now rather than at the first request
    }

    void transact(const std::function<void(Session&)>& work) override {
        const InsideTransaction inside(this);
        const auto deadline = steady_clock::now() + repeat_limit;
        while (true) {
            try {
                return attempt(work);
            } catch (const Error& error) {
                // Not retryable(): `work` may pass on such an error of a peer, and repeating is for conflicts alone.
                if (!dialect_->is_lock_conflict(error) || steady_clock::now() >= deadline) {
                    throw;
                }
            }
            pause(repeat_pause, {});
        }
    }

    std::vector<Row> query(const std::string& sql, const Parameters& parameters) override {
        auto lease = pool_.lease(lease_limit);
        return SociSession(lease.session(), *dialect_, SociSession::Scope::single_statements).query(sql, parameters);
    }

    std::int64_t execute(const std::string& sql, const Parameters& parameters) override {
        std::int64_t affected = 0;
        transact([&](Session& session) { affected = session.execute(sql, parameters); });
        return affected;
    }

  private:
    void attempt(const std::function<void(Session&)>& work) {
        auto lease = pool_.lease(lease_limit);
        try {
            Transaction transaction(lease, *dialect_);
            SociSession session(lease.session(), *dialect_, SociSession::Scope::transaction);
            work(session);
            transaction.commit();
        } catch (const soci::soci_error& error) {
            throw dialect_->translate(error);
        }
    }

    std::unique_ptr<Dialect> dialect_;
    Pool pool_;
};

template <class Source>
std::optional<Row> first_row(Source& source, const std::string& sql, const Parameters& parameters) {
    auto rows = source.query(sql, parameters);
    return rows.empty() ? std::nullopt : std::optional(std::move(rows.front()));
}

}  // namespace

std::optional<Row> Session::query_one(const std::string& sql, const Parameters& parameters) {
    return first_row(*this, sql, parameters);
}

std::optional<Row> Database::query_one(const std::string& sql, const Parameters& parameters) {
    return first_row(*this, sql, parameters);
}

std::shared_ptr<Database> Database::open(const std::string& url) {
    return std::make_shared<SociDatabase>(make_dialect(url));
}

}  // namespace mk::db

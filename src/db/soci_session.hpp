#pragma once
// Session on one SOCI connection: binds named parameters, converts values, translates errors. One thread. Internal to
// db/.

#include <soci/session.h>

#include "db/database.hpp"
#include "db/dialect.hpp"

namespace mk::db {

class SociSession : public Session {
  public:
    enum class Scope { single_statements, transaction };

    SociSession(soci::session& session, const Dialect& dialect, Scope scope)
        : session_(session), dialect_(dialect), scope_(scope) {}

    std::int64_t execute(const std::string& sql, const Parameters& parameters) override;
    std::vector<Row> query(const std::string& sql, const Parameters& parameters) override;

  private:
    void expect_open_transaction() const;

    soci::session& session_;
    const Dialect& dialect_;
    Scope scope_;
};

}  // namespace mk::db

#include "db/soci_session.hpp"

#include <deque>
#include <limits>

#include <soci/soci.h>

#include "db/sql_text.hpp"

namespace mk::db {
namespace {

/// Storage that SOCI points into until the statement has run.
struct Bound {
    long long number = 0;
    double real = 0;
    std::string text;
    soci::indicator indicator = soci::i_ok;
};

class Statement {
  public:
    Statement(soci::session& session, const Dialect& dialect, const std::string& sql, const Parameters& parameters)
        : statement_(session) {
        for (const Parameter& parameter : parameters) {
            bind(parameter);
        }
        // SOCI and SQLite would run the first statement of several and forget the rest.
        if (split_statements(sql).size() != 1) {
            throw Error(ErrorCode::internal, "database: exactly one statement at a time is possible");
        }
        statement_.alloc();
        statement_.prepare(sql);
        // A parameter without value would silently be NULL.
        if (dialect.parameter_count(statement_) != parameters.size()) {
            throw Error(ErrorCode::internal, "database: the statement's parameters and the given ones differ");
        }
    }

    std::int64_t execute() {
        statement_.define_and_bind();
        statement_.execute(true);
        return statement_.get_affected_rows();
    }

    std::vector<Row> query();

  private:
    void bind(const Parameter& parameter) {
        Bound& bound = storage_.emplace_back();
        if (const auto* number = std::get_if<std::int64_t>(&parameter.value)) {
            bound.number = *number;
            statement_.exchange(soci::use(bound.number, bound.indicator, parameter.name));
        } else if (const auto* real = std::get_if<double>(&parameter.value)) {
            bound.real = *real;
            statement_.exchange(soci::use(bound.real, bound.indicator, parameter.name));
        } else {
            if (const auto* text = std::get_if<std::string>(&parameter.value)) {
                bound.text = *text;
            } else {
                bound.indicator = soci::i_null;
            }
            statement_.exchange(soci::use(bound.text, bound.indicator, parameter.name));
        }
    }

    std::deque<Bound> storage_;  // a deque does not move its elements; outlives statement_, which points into it
    soci::statement statement_;
};

Value value_at(const soci::row& row, std::size_t column) {
    if (row.get_indicator(column) == soci::i_null) {
        return nullptr;
    }
    switch (row.get_properties(column).get_data_type()) {
        case soci::dt_string:
            return row.get<std::string>(column);
        case soci::dt_double:
            return row.get<double>(column);
        case soci::dt_integer:
            return static_cast<std::int64_t>(row.get<int>(column));
        case soci::dt_long_long:
            return static_cast<std::int64_t>(row.get<long long>(column));
        case soci::dt_unsigned_long_long: {
            const auto number = row.get<unsigned long long>(column);
            if (number <= static_cast<unsigned long long>(std::numeric_limits<std::int64_t>::max())) {
                return static_cast<std::int64_t>(number);
            }
            break;
        }
        default:
            break;
    }
    throw Error(ErrorCode::internal, "the database column '" + row.get_properties(column).get_name() +
                                         "' has a type outside the portable ones");
}

std::vector<Row> Statement::query() {
    soci::row row;
    statement_.exchange(soci::into(row));
    statement_.define_and_bind();
    std::vector<Row> rows;
    std::shared_ptr<const std::vector<std::string>> names;
    for (bool more = statement_.execute(true); more; more = statement_.fetch()) {
        if (!names) {
            auto found = std::make_shared<std::vector<std::string>>();
            for (std::size_t column = 0; column < row.size(); ++column) {
                found->push_back(row.get_properties(column).get_name());
            }
            names = std::move(found);
        }
        std::vector<Value> values;
        values.reserve(row.size());
        for (std::size_t column = 0; column < row.size(); ++column) {
            values.push_back(value_at(row, column));
        }
        rows.emplace_back(names, std::move(values));
    }
    return rows;
}

}  // namespace

std::int64_t SociSession::execute(const std::string& sql, const Parameters& parameters) {
    expect_open_transaction();
    try {
        return Statement(session_, dialect_, sql, parameters).execute();
    } catch (const soci::soci_error& error) {
        throw dialect_.translate(error);
    }
}

std::vector<Row> SociSession::query(const std::string& sql, const Parameters& parameters) {
    expect_open_transaction();
    try {
        return Statement(session_, dialect_, sql, parameters).query();
    } catch (const soci::soci_error& error) {
        throw dialect_.translate(error);
    }
}

/// After "disk full" and the like SQLite rolls back by itself; what follows would be committed statement by statement.
void SociSession::expect_open_transaction() const {
    if (scope_ == Scope::transaction && !dialect_.in_transaction(session_)) {
        throw Error(ErrorCode::internal, "database: the transaction has ended already",
                    {"Nothing of it was stored.", "", true});
    }
}

}  // namespace mk::db

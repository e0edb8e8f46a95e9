#pragma once
// Everything in which the database engines differ. Adding an engine means adding a Dialect; nothing else in db/ or in
// any repository knows which one runs. Immutable after construction, safe to share. Internal to db/.

#include <cstddef>
#include <memory>
#include <string>

#include "base/error.hpp"

namespace soci {
class session;
class soci_error;
class statement;
}  // namespace soci

namespace mk::db {

class Dialect {
  public:
    virtual ~Dialect() = default;

    /// A connection with all session settings applied. Throws Error{unavailable|invalid}.
    virtual std::unique_ptr<soci::session> connect() const = 0;
    /// The statement that starts a transaction which will write.
    virtual std::string begin_write() const = 0;
    /// Engines end a transaction by themselves after some failures; then nothing may be executed "inside" it any more.
    virtual bool in_transaction(soci::session& session) const = 0;
    /// Distinct named parameters of a prepared statement.
    virtual std::size_t parameter_count(soci::statement& statement) const = 0;
    /// The engine's failure in our words. Never contains parameter values.
    virtual Error translate(const soci::soci_error& error) const = 0;
    /// True when the same transaction may succeed if it is simply run again (lock or certification conflict).
    virtual bool is_lock_conflict(const Error& error) const = 0;
};

/// Throws Error{invalid} for an URL of an unknown engine.
std::unique_ptr<Dialect> make_dialect(const std::string& url);

}  // namespace mk::db

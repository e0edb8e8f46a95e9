#pragma once
// Bearer tokens: only their SHA-256 is stored; the secret is shown once. Thread-safe.

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "db/database.hpp"

namespace mk::access {

struct Principal {
    std::string name;
    std::string role;  ///< viewer, operator, administrator
};

class TokenService {
  public:
    TokenService(std::shared_ptr<db::Database> database, const Clock& clock);
    /// The principal behind the token. Throws Error{unauthenticated}, the same for a missing and for a wrong one.
    Principal authenticate(std::string_view token) const;
    /// Throws Error{conflict} when the name exists, Error{invalid} for an unknown role.
    Secret create(const std::string& name, const std::string& role);
    /// Makes `token` known under `name`; a token of that name before it stops working. For the bootstrap token file.
    void register_token(const std::string& name, const std::string& role, const Secret& token);

  private:
    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::access

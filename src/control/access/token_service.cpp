#include "control/access/token_service.hpp"

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"

namespace mk::access {

namespace {

constexpr std::size_t token_bytes = 32;

void check_role(const std::string& role) {
    if (role != "viewer" && role != "operator" && role != "administrator") {
        throw Error(ErrorCode::invalid, "unknown role '" + role + "'",
                    {.remedy = "Use viewer, operator or administrator.", .retry_safe = true});
    }
}

void insert_token(db::Session& session, const std::string& name, const std::string& role, const Secret& token,
                  std::int64_t now) {
    session.execute(
        "INSERT INTO access_tokens (id, name, token_hash, role, created_ms) VALUES (:id, :name, :hash, :role, :now)",
        {{"id", new_uuid()}, {"name", name}, {"hash", sha256_hex(token.reveal())}, {"role", role}, {"now", now}});
}

}  // namespace

TokenService::TokenService(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

Principal TokenService::authenticate(std::string_view token) const {
    // The hash is the key: looking it up compares nothing of the secret itself, so timing tells nothing.
    const auto row = token.empty()
                         ? std::nullopt
                         : database_->query_one("SELECT name, role FROM access_tokens WHERE token_hash = :hash",
                                                {{"hash", sha256_hex(token)}});
    if (!row) {
        throw Error(ErrorCode::unauthenticated, "the access token is missing or not valid",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Sign in with: migratekit login --url URL --token-file FILE",
                     .retry_safe = true});
    }
    return {row->text("name"), row->text("role")};
}

Secret TokenService::create(const std::string& name, const std::string& role) {
    check_role(role);
    Secret token{random_hex(token_bytes)};
    database_->transact([&](db::Session& session) {
        if (session.query_one("SELECT id FROM access_tokens WHERE name = :name", {{"name", name}})) {
            throw Error(ErrorCode::conflict, "a token named '" + name + "' exists already",
                        {.consequence = "Nothing was changed.", .remedy = "Choose another name.", .retry_safe = true});
        }
        insert_token(session, name, role, token, to_ms(clock_.now()));
    });
    return token;
}

void TokenService::register_token(const std::string& name, const std::string& role, const Secret& token) {
    check_role(role);
    database_->transact([&](db::Session& session) {
        session.execute("DELETE FROM access_tokens WHERE name = :name", {{"name", name}});
        insert_token(session, name, role, token, to_ms(clock_.now()));
    });
}

}  // namespace mk::access

#include "control/networks/network_mapping_repository.hpp"

#include "base/error.hpp"
#include "base/ids.hpp"

namespace mk::networks {

namespace {

constexpr const char* select_sql =
    "SELECT source_network, live_network_id, live_network_name, test_network_id, test_network_name FROM "
    "network_mappings";

NetworkMapping mapping_from(const db::Row& row) {
    const auto text = [&](const char* column) { return row.text_or_null(column).value_or(""); };
    return {row.text("source_network"), text("live_network_id"), text("live_network_name"), text("test_network_id"),
            text("test_network_name")};
}

}  // namespace

NetworkMappingRepository::NetworkMappingRepository(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

std::optional<NetworkMapping> NetworkMappingRepository::find(const std::string& source_network) const {
    const auto row =
        database_->query_one(std::string(select_sql) + " WHERE source_network = :name", {{"name", source_network}});
    return row ? std::optional<NetworkMapping>(mapping_from(*row)) : std::nullopt;
}

std::vector<NetworkMapping> NetworkMappingRepository::list() const {
    std::vector<NetworkMapping> found;
    for (const auto& row : database_->query(std::string(select_sql) + " ORDER BY source_network")) {
        found.push_back(mapping_from(row));
    }
    return found;
}

void NetworkMappingRepository::save(const NetworkMapping& mapping) {
    const db::Parameters values = {{"live_id", mapping.live_network_id}, {"live_name", mapping.live_network_name},
                                   {"test_id", mapping.test_network_id}, {"test_name", mapping.test_network_name},
                                   {"now", to_ms(clock_.now())},         {"source", mapping.source_network}};
    database_->transact([&](db::Session& session) {
        if (session.execute(
                "UPDATE network_mappings SET live_network_id = :live_id, live_network_name = :live_name, "
                "test_network_id ="
                " :test_id, test_network_name = :test_name, updated_ms = :now WHERE source_network = :source",
                values) > 0) {
            return;
        }
        auto inserted = values;
        inserted.push_back({"id", new_uuid()});
        session.execute(
            "INSERT INTO network_mappings (id, source_network, live_network_id, live_network_name, test_network_id,"
            " test_network_name, updated_ms) VALUES (:id, :source, :live_id, :live_name, :test_id, :test_name, :now)",
            inserted);
    });
}

void NetworkMappingRepository::remove(const std::string& source_network) {
    if (database_->execute("DELETE FROM network_mappings WHERE source_network = :source",
                           {{"source", source_network}}) == 0) {
        throw Error(ErrorCode::not_found, "the source network '" + source_network + "' is not mapped");
    }
}

}  // namespace mk::networks

#pragma once
// Source network -> CloudStack network, one for live failovers, one for tests (inventory T). Thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "db/database.hpp"

namespace mk::networks {

struct NetworkMapping {
    std::string source_network;
    std::string live_network_id;
    std::string live_network_name;
    std::string test_network_id;
    std::string test_network_name;
};

class NetworkMappingRepository {
  public:
    NetworkMappingRepository(std::shared_ptr<db::Database> database, const Clock& clock);
    std::optional<NetworkMapping> find(const std::string& source_network) const;
    std::vector<NetworkMapping> list() const;
    void save(const NetworkMapping& mapping);
    /// Throws Error{not_found}.
    void remove(const std::string& source_network);

  private:
    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::networks

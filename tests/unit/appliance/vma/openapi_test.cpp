// api/vma.yaml and the router name the same routes.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "appliance/vma/routes.hpp"

using namespace mk;
using namespace mk::vma;

namespace {

class NoGateway : public VcenterGateway {
  public:
    Discovered discover(const contracts::VcenterAccess&, const std::string&, const std::stop_token&) override {
        return {};
    }
    contracts::PowerState power(const contracts::PowerRequest&, const std::stop_token&) override { return {}; }
    Swept sweep(const contracts::VcenterAccess&, const std::string&, const std::stop_token&) override { return {}; }
    FoundSnapshots snapshots(const contracts::VcenterAccess&, const std::stop_token&) override { return {}; }
    void remove_snapshot(const contracts::SnapshotRemoval&, const std::stop_token&) override {}
    std::vector<std::string> readers() const override { return {}; }
};

class NoRunner : public EngineRunner {
  public:
    EngineExit run(const EngineTask&, const EngineCallbacks&, const std::stop_token&) override { return {}; }
};

/// "GET /path" of each operation: paths are the lines indented by two, methods those indented by four below them.
std::set<std::string> documented_routes() {
    std::ifstream file(MK_SOURCE_DIR "/api/vma.yaml");
    std::set<std::string> out;
    std::string path;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("  /") && line.ends_with(":")) {
            path = line.substr(2, line.size() - 3);
        } else if (!line.starts_with(" ") && !line.empty()) {
            path.clear();
        }
        for (const char* method : {"get", "post", "put", "delete"}) {
            if (!path.empty() && line == std::string("    ") + method + ":") {
                std::string upper(method);
                std::transform(upper.begin(), upper.end(), upper.begin(),
                               [](char c) { return static_cast<char>(c - 32); });
                out.insert(upper + " " + path);
            }
        }
    }
    return out;
}

}  // namespace

TEST(VmaOpenApi, DocumentAndRouterNameTheSameRoutes) {
    const std::string folder = std::filesystem::temp_directory_path() / ("mk-vma-api-" + random_hex(6));
    {
        NoGateway gateway;
        NoRunner runner;
        const SystemClock clock;
        JobRegistry jobs(folder, {}, runner, gateway, clock);
        const auto routes = make_router(jobs, gateway, Secret{"token"}).routes();
        EXPECT_EQ(std::set<std::string>(routes.begin(), routes.end()), documented_routes());
    }
    std::filesystem::remove_all(folder);
}

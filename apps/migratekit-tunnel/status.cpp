#include "status.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "os/file.hpp"
#include "tunnel/identity.hpp"
#include "tunnel/pairing_store.hpp"

namespace mk::apps {
namespace {

/// `name{key="value",...} number`, as tunnel/metrics.cpp writes it; null for comments.
Json figure_of(const std::string& line) {
    const auto open = line.find('{');
    const auto close = line.rfind("} ");
    if (line.starts_with('#') || open == std::string::npos || close == std::string::npos || close < open) {
        return nullptr;
    }
    Json labels = Json::object();
    std::istringstream list(line.substr(open + 1, close - open - 1));
    for (std::string label; std::getline(list, label, ',');) {
        const auto equals = label.find("=\"");
        if (equals != std::string::npos && label.ends_with('"')) {
            labels[label.substr(0, equals)] = label.substr(equals + 2, label.size() - equals - 3);
        }
    }
    return {
        {"name", line.substr(0, open)}, {"labels", labels}, {"value", std::strtod(line.c_str() + close + 2, nullptr)}};
}

Json figures_in(const std::string& folder) {
    Json figures = Json::array();
    std::vector<std::string> files;
    std::error_code problem;
    for (std::filesystem::directory_iterator entry(folder, problem), end; !problem && entry != end;
         entry.increment(problem)) {
        if (entry->path().filename().string().starts_with("tunnel-") && entry->path().extension() == ".prom") {
            files.push_back(entry->path().string());
        }
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
        std::istringstream lines(os::read_file(file));
        for (std::string line; std::getline(lines, line);) {
            if (auto figure = figure_of(line); !figure.is_null()) {
                figures.push_back(std::move(figure));
            }
        }
    }
    return figures;
}

}  // namespace

Json tunnel_status(const Config& config) {
    const auto folder = config.require("folder");
    const SystemClock clock;
    Json pairings = Json::array();
    for (const auto& pairing : tunnel::PairingStore(folder, clock).list()) {
        pairings.push_back({{"appliance_id", pairing.appliance_id},
                            {"name", pairing.name},
                            {"fingerprint", pairing.fingerprint},
                            {"address", pairing.address},
                            {"paired_at", to_iso8601(pairing.paired_at)}});
    }
    const auto metrics_folder = config.get("metrics_folder", "");
    return {{"fingerprint", tunnel::open_identity(folder, "").fingerprint},
            {"pairings", pairings},
            {"metrics", metrics_folder.empty() ? Json::array() : figures_in(metrics_folder)}};
}

void print_status(const Json& status) {
    const auto text = [](const Json& object, const char* field) { return object.at(field).get<std::string>(); };
    fmt::print("fingerprint of this appliance\n    {}\n", tunnel::fingerprint_for_people(text(status, "fingerprint")));
    if (status.at("pairings").empty()) {
        fmt::print("not paired\n");
    }
    for (const auto& pairing : status.at("pairings")) {
        const auto address = text(pairing, "address");
        fmt::print("paired with {} \"{}\"{}{} since {}\n    {}\n", text(pairing, "appliance_id"), text(pairing, "name"),
                   address.empty() ? "" : " at ", address, text(pairing, "paired_at"),
                   tunnel::fingerprint_for_people(text(pairing, "fingerprint")));
    }
    for (const auto& figure : status.at("metrics")) {
        std::string labels;
        for (const auto& [key, value] : figure.at("labels").items()) {
            labels += (labels.empty() ? "" : " ") + value.get<std::string>();
        }
        fmt::print("{:<40} {:<28} {}\n", text(figure, "name"), labels, figure.at("value").get<double>());
    }
}

}  // namespace mk::apps

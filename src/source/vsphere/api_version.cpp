#include "source/vsphere/api_version.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.hpp"
#include "source/vsphere/reply.hpp"

namespace mk::vsphere {
namespace {

using Version = std::vector<int>;

const Version newest_tested{8, 0, 3, 0};

/// "8.0.1.0" -> {8, 0, 1, 0}; empty for anything else ("internalvim25" lists words).
Version parse_version(std::string_view text) {
    Version version;
    while (!text.empty()) {
        int part = 0;
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), part);
        if (problem != std::errc{}) {
            return {};
        }
        version.push_back(part);
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (!text.empty()) {
            if (text.front() != '.') {
                return {};
            }
            text.remove_prefix(1);
        }
    }
    return version;
}

}  // namespace

std::string choose_api_version(const std::string& versions_xml) {
    pugi::xml_document document;
    document.load_buffer(versions_xml.data(), versions_xml.size());
    std::vector<std::pair<Version, std::string>> listed;
    for (const auto& space : Node(document).at("namespaces").children("namespace")) {
        if (space.text("name") != "urn:vim25") {
            continue;
        }
        auto versions = space.at("priorVersions").children("version");
        versions.push_back(space.at("version"));
        for (const auto& version : versions) {
            if (auto parsed = parse_version(version.text()); !parsed.empty()) {
                listed.emplace_back(std::move(parsed), version.text());
            }
        }
    }
    if (listed.empty()) {
        throw Error(ErrorCode::external, "the server lists no version of the vSphere API",
                    {.remedy = "Check that the address leads to a vCenter or ESXi host.", .retry_safe = true});
    }
    std::sort(listed.begin(), listed.end());
    const auto above =
        std::find_if(listed.begin(), listed.end(), [](const auto& v) { return v.first > newest_tested; });
    return above == listed.begin() ? listed.front().second : std::prev(above)->second;
}

}  // namespace mk::vsphere

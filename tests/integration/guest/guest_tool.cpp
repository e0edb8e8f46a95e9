// guest_tool: inspects or converts one guest as oma-api does. The order is JSON on stdin, the answer JSON on stdout,
// the tools' words go to stderr as they come. For the integration tests of target/guest.

#include <cstdio>
#include <iostream>
#include <iterator>

#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "target/guest/inspection.hpp"
#include "target/guest/run_folder.hpp"
#include "target/guest/virt_v2v.hpp"

namespace {

using namespace mk;

guest::Tools tools_from(const Json& json) {
    guest::Tools tools;
    tools.inspector = json::require<std::string>(json, "inspector");
    tools.virtio_win = json::require<std::string>(json, "virtio_win");
    tools.virt_tools = json::require<std::string>(json, "virt_tools");
    tools.work_folder = json::require<std::string>(json, "work_folder");
    tools.force_emulation = true;
    return tools;
}

Json inspection(const std::vector<std::string>& disks, const guest::Tools& tools) {
    const auto seen = guest::inspect(disks, tools, {});
    Json findings = Json::array();
    for (const auto& finding : seen.findings) {
        findings.push_back({{"code", finding.code},
                            {"severity", to_string(finding.severity)},
                            {"text", finding.text},
                            {"remedy", finding.remedy}});
    }
    return {{"facts", guest::to_json(seen.facts)}, {"findings", findings}};
}

Json conversion(const std::vector<std::string>& disks, const guest::Tools& tools) {
    guest::Conversion order;
    order.guest_name = "guest";
    for (const auto& disk : disks) {
        order.disks.push_back({.device_path = disk, .bus = "scsi"});
    }
    const auto tell = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    const auto outcome = guest::convert(order, tools, tell, {});
    return {{"drivers", outcome.drivers_present},
            {"uefi", outcome.needs_uefi},
            {"text", outcome.text},
            {"warnings", outcome.warnings}};
}

Json carry_out(const Json& order) {
    const auto action = json::require<std::string>(order, "action");
    const auto tools = tools_from(order.at("tools"));
    const auto disks = json::require<std::vector<std::string>>(order, "disks");
    if (action == "sweep") {
        return {{"swept", guest::sweep(tools.work_folder)}};
    }
    return action == "inspect" ? inspection(disks, tools) : conversion(disks, tools);
}

}  // namespace

int main() {
    log::start("guest_tool");
    try {
        const std::string order{std::istreambuf_iterator<char>(std::cin), {}};
        std::cout << json::dump(carry_out(json::parse(order))) << std::endl;
        return 0;
    } catch (const std::exception& problem) {
        const auto error = as_error(problem);
        std::cout << json::dump({{"error", to_string(error.code())},
                                 {"cause", error.cause()},
                                 {"remedy", error.advice().remedy}})
                  << std::endl;
        return 1;
    }
}

#include "appliance/oma/reconcile_views.hpp"

#include <nlohmann/json.hpp>

namespace mk::oma {

Json view(const reconcile::Finding& finding) {
    const auto& what = finding.what;
    return {{"id", finding.id},
            {"kind", to_string(what.kind)},
            {"site", ledger::to_string(what.site)},
            {"object_kind", what.object_kind},
            {"object_id", what.object_id},
            {"object_name", what.object_name},
            {"context_id", what.vm.empty() ? Json(nullptr) : Json(what.vm.value)},
            {"holds_data", what.holds_data},
            {"detail", what.detail},
            {"action", to_string(what.action)},
            {"needs_confirmation", what.needs_confirmation()},
            {"first_seen_at", to_iso8601(finding.first_seen)},
            {"last_seen_at", to_iso8601(finding.last_seen)}};
}

Json view(const reconcile::Report& report) {
    Json findings = Json::array();
    for (const auto& finding : report.findings) {
        findings.push_back(view(finding));
    }
    Json unreachable = Json::array();
    for (const auto& one : report.unreachable) {
        unreachable.push_back({{"site", ledger::to_string(one.site)}, {"name", one.name}, {"problem", one.problem}});
    }
    return {{"findings", std::move(findings)},
            {"last_run", report.last_run ? Json(to_iso8601(*report.last_run)) : Json(nullptr)},
            {"unreachable", std::move(unreachable)}};
}

}  // namespace mk::oma

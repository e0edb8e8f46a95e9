#include "control/reconcile/finding.hpp"

#include "base/json_fields.hpp"
#include "model/words.hpp"

namespace mk::reconcile {

namespace {

constexpr words::Table<Kind, 3> kinds{
    {{Kind::orphan, "orphan"}, {Kind::missing, "missing"}, {Kind::changed, "changed"}}};
constexpr words::Table<Action, 3> actions{
    {{Action::remove, "remove"}, {Action::forget, "forget"}, {Action::review, "review"}}};

}  // namespace

std::string_view to_string(Kind kind) {
    return words::word_of(kinds, kind);
}
Kind kind_from(std::string_view word) {
    return words::value_of(kinds, word, "kind of finding");
}
std::string_view to_string(Action action) {
    return words::word_of(actions, action);
}
Action action_from(std::string_view word) {
    return words::value_of(actions, word, "action");
}

Json to_json(const Observation& observation) {
    return {{"kind", to_string(observation.kind)},    {"site", ledger::to_string(observation.site)},
            {"object_kind", observation.object_kind}, {"object_id", observation.object_id},
            {"object_name", observation.object_name}, {"context_id", observation.vm.value},
            {"holds_data", observation.holds_data},   {"detail", observation.detail},
            {"action", to_string(observation.action)}};
}

Observation observation_from(const Json& json) {
    const auto text = [&](const char* field) { return json::require<std::string>(json, field); };
    return {
        .kind = kind_from(text("kind")),
        .site = text("site") == ledger::to_string(ledger::Site::source) ? ledger::Site::source : ledger::Site::target,
        .object_kind = text("object_kind"),
        .object_id = text("object_id"),
        .object_name = text("object_name"),
        .vm = VmContextId{text("context_id")},
        .holds_data = json::require<bool>(json, "holds_data"),
        .detail = text("detail"),
        .action = action_from(text("action"))};
}

std::string object_id_of(const SourceReference& reference) {
    return reference.vcenter_uuid + "/" + reference.machine_moref + "/" + reference.snapshot_moref;
}

SourceReference source_reference_from(const std::string& object_id) {
    const auto first = object_id.find('/');
    const auto second = first == std::string::npos ? first : object_id.find('/', first + 1);
    if (second == std::string::npos) {
        return {};
    }
    return {.vcenter_uuid = object_id.substr(0, first),
            .machine_moref = object_id.substr(first + 1, second - first - 1),
            .snapshot_moref = object_id.substr(second + 1)};
}

}  // namespace mk::reconcile

#include "control/reconcile/finding_repository.hpp"

#include <algorithm>

namespace mk::reconcile {

namespace {

const std::string select_findings =
    "SELECT id, kind, site, object_kind, object_id, object_name, vm_context_id, holds_data, detail, action, sightings,"
    " first_seen_ms, last_seen_ms FROM reconcile_findings";
constexpr const char* insert_sql =
    "INSERT INTO reconcile_findings (id, kind, site, object_kind, object_id, object_name, vm_context_id, holds_data,"
    " detail, action, sightings, first_seen_ms, last_seen_ms) VALUES (:id, :kind, :site, :object_kind, :object_id,"
    " :object_name, :vm, :holds_data, :detail, :action, :sightings, :now, :now2)";
constexpr const char* update_sql =
    "UPDATE reconcile_findings SET object_name = :object_name, vm_context_id = :vm, holds_data = :holds_data,"
    " detail = :detail, action = :action, sightings = :sightings, last_seen_ms = :now WHERE id = :id";
constexpr const char* delete_sql = "DELETE FROM reconcile_findings WHERE id = :id";
/// Of the columns.
constexpr std::size_t longest_id = 191;
constexpr std::size_t longest_name = 255;

Finding finding_from(const db::Row& row) {
    return {.id = row.text("id"),
            .what = {.kind = kind_from(row.text("kind")),
                     .site = row.text("site") == ledger::to_string(ledger::Site::source) ? ledger::Site::source
                                                                                         : ledger::Site::target,
                     .object_kind = row.text("object_kind"),
                     .object_id = row.text("object_id"),
                     .object_name = row.text("object_name"),
                     .vm = VmContextId{row.text_or_null("vm_context_id").value_or("")},
                     .holds_data = row.flag("holds_data"),
                     .detail = row.text("detail"),
                     .action = action_from(row.text("action"))},
            .sightings = row.number("sightings"),
            .first_seen = from_ms(row.number("first_seen_ms")),
            .last_seen = from_ms(row.number("last_seen_ms"))};
}

std::vector<Finding> findings_from(const std::vector<db::Row>& rows) {
    std::vector<Finding> findings;
    std::transform(rows.begin(), rows.end(), std::back_inserter(findings), finding_from);
    return findings;
}

/// Of the object that was seen; the columns of both statements.
db::Parameters values_of(const Observation& seen, const std::string& id, std::int64_t sightings, std::int64_t now) {
    return {{"id", id},
            {"object_name", seen.object_name.substr(0, longest_name)},
            {"vm", seen.vm.empty() ? db::Value(nullptr) : db::Value(seen.vm.value)},
            {"holds_data", std::int64_t{seen.holds_data ? 1 : 0}},
            {"detail", seen.detail},
            {"action", std::string(to_string(seen.action))},
            {"sightings", sightings},
            {"now", now}};
}

void insert(db::Session& session, const Observation& seen, std::int64_t sightings, std::int64_t now) {
    auto values = values_of(seen, new_uuid(), sightings, now);
    values.push_back({"kind", std::string(to_string(seen.kind))});
    values.push_back({"site", std::string(ledger::to_string(seen.site))});
    values.push_back({"object_kind", seen.object_kind});
    values.push_back({"object_id", seen.object_id.substr(0, longest_id)});
    values.push_back({"now2", now});
    session.execute(insert_sql, values);
}

}  // namespace

FindingRepository::FindingRepository(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

void FindingRepository::store(const std::vector<Observation>& seen,
                              const std::function<bool(const Observation&)>& keeps,
                              std::chrono::milliseconds settled_age) {
    const auto now = clock_.now();
    database_->transact([&](db::Session& session) {
        auto known = findings_from(session.query(select_findings));
        for (const auto& observation : seen) {
            const auto old = std::find_if(known.begin(), known.end(), [&](const Finding& finding) {
                return finding.what.key() == observation.key();
            });
            if (old == known.end()) {
                const bool is_settled = observation.created && *observation.created + settled_age < now;
                insert(session, observation, is_settled ? sightings_needed : 1, to_ms(now));
                continue;
            }
            session.execute(update_sql, values_of(observation, old->id, old->sightings + 1, to_ms(now)));
            known.erase(old);
        }
        for (const auto& unseen : known) {
            if (!keeps(unseen.what)) {
                session.execute(delete_sql, {{"id", unseen.id}});
            }
        }
    });
}

std::vector<Finding> FindingRepository::list() const {
    return findings_from(database_->query(select_findings + " WHERE sightings >= :needed ORDER BY first_seen_ms, id",
                                          {{"needed", sightings_needed}}));
}

std::optional<Finding> FindingRepository::find(const std::string& id) const {
    const auto row = database_->query_one(select_findings + " WHERE id = :id AND sightings >= :needed",
                                          {{"id", id}, {"needed", sightings_needed}});
    return row ? std::optional(finding_from(*row)) : std::nullopt;
}

std::size_t FindingRepository::count_of(const VmContextId& vm) const {
    const auto row = database_->query_one(
        "SELECT COUNT(*) AS findings FROM reconcile_findings WHERE vm_context_id = :vm AND sightings >= :needed",
        {{"vm", vm.value}, {"needed", sightings_needed}});
    return row ? static_cast<std::size_t>(row->number("findings")) : 0;
}

std::vector<VmContextId> FindingRepository::machines() const {
    std::vector<VmContextId> ids;
    for (const auto& row : database_->query(
             "SELECT DISTINCT vm_context_id FROM reconcile_findings WHERE vm_context_id IS NOT NULL AND sightings >= "
             ":needed",
             {{"needed", sightings_needed}})) {
        ids.push_back(VmContextId{row.text("vm_context_id")});
    }
    return ids;
}

void FindingRepository::remove(const Observation& observation) {
    database_->execute(
        "DELETE FROM reconcile_findings WHERE kind = :kind AND site = :site AND object_kind = :object_kind AND "
        "object_id = :object_id",
        {{"kind", std::string(to_string(observation.kind))},
         {"site", std::string(ledger::to_string(observation.site))},
         {"object_kind", observation.object_kind},
         {"object_id", observation.object_id.substr(0, longest_id)}});
}

void FindingRepository::forget_unmade_clone(const std::string& row_id) {
    database_->execute("DELETE FROM volume_clones WHERE id = :id AND volume_id IS NULL", {{"id", row_id}});
}

}  // namespace mk::reconcile

#include "control/ledger/effects.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <tuple>

#include "base/error.hpp"
#include "base/ids.hpp"

namespace mk::ledger {
namespace {

constexpr std::array<std::string_view, 4> outcomes{"done", "refused", "failed", "unknown"};
constexpr std::size_t longest_object = 255;

constexpr auto insert_sql =
    "INSERT INTO external_effects (id, process, command, object, state, created_ms, updated_ms) "
    "VALUES (:id, :process, :command, :object, 'intended', :now, :now2)";
constexpr auto submit_sql =
    "UPDATE external_effects SET state = 'submitted', async_job_id = :job, object_id = :object, updated_ms = :now "
    "WHERE id = :id AND state = 'intended'";
constexpr auto end_sql =
    "UPDATE external_effects SET state = :outcome, updated_ms = :now "
    "WHERE id = :id AND state IN ('intended', 'submitted')";

#define MK_EFFECT_SELECT \
    "SELECT id, process, command, object, object_id, async_job_id, state, created_ms FROM external_effects "

constexpr auto open_sql =
    MK_EFFECT_SELECT "WHERE (object = :object OR object_id = :object2) AND state IN ('intended', 'submitted')";
constexpr auto open_of_process_sql =
    MK_EFFECT_SELECT "WHERE process = :process AND state IN ('intended', 'submitted') ORDER BY created_ms, id";
constexpr auto since_sql = MK_EFFECT_SELECT "WHERE (object = :object OR object_id = :object2) AND created_ms >= :since";

#undef MK_EFFECT_SELECT

Effect effect_from(const db::Row& row) {
    Effect effect;
    effect.id = row.text("id");
    effect.process = row.text("process");
    effect.command = row.text("command");
    effect.object = row.text("object");
    effect.object_id = row.text_or_null("object_id").value_or("");
    effect.async_job_id = row.text_or_null("async_job_id").value_or("");
    effect.state = row.text("state");
    effect.created = from_ms(row.number("created_ms"));
    return effect;
}

void append(std::vector<Effect>& effects, const std::vector<db::Row>& rows) {
    std::transform(rows.begin(), rows.end(), std::back_inserter(effects), effect_from);
}

/// Oldest first, each once: a command may be about two of the objects that were asked for.
std::vector<Effect> in_order(std::vector<Effect> effects) {
    std::sort(effects.begin(), effects.end(),
              [](const Effect& a, const Effect& b) { return std::tie(a.created, a.id) < std::tie(b.created, b.id); });
    const auto same =
        std::unique(effects.begin(), effects.end(), [](const Effect& a, const Effect& b) { return a.id == b.id; });
    effects.erase(same, effects.end());
    return effects;
}

db::Value text_or_null(const std::string& text) {
    return text.empty() ? db::Value(nullptr) : db::Value(text);
}

}  // namespace

Effects::Effects(std::shared_ptr<db::Database> database, const Clock& clock, std::string process)
    : database_(std::move(database)), clock_(clock), process_(std::move(process)) {}

std::string Effects::begin(const std::string& command, const std::string& object) {
    auto id = new_uuid();
    const auto now = to_ms(clock_.now());
    database_->execute(insert_sql, {{"id", id},
                                    {"process", process_},
                                    {"command", command},
                                    {"object", object.substr(0, longest_object)},
                                    {"now", now},
                                    {"now2", now}});
    return id;
}

void Effects::submitted(const std::string& note, const std::string& async_job, const std::string& object) {
    database_->execute(submit_sql, {{"job", text_or_null(async_job)},
                                    {"object", text_or_null(object)},
                                    {"now", to_ms(clock_.now())},
                                    {"id", note}});
}

void Effects::ended(const std::string& note, const std::string& outcome) {
    if (std::find(outcomes.begin(), outcomes.end(), outcome) == outcomes.end()) {
        throw Error(ErrorCode::internal, "'" + outcome + "' is not how a command ends");
    }
    database_->execute(end_sql, {{"outcome", outcome}, {"now", to_ms(clock_.now())}, {"id", note}});
}

std::vector<Effect> Effects::open_of(const std::vector<std::string>& objects) const {
    std::vector<Effect> effects;
    for (const auto& object : objects) {
        append(effects, database_->query(open_sql, {{"object", object}, {"object2", object}}));
    }
    return in_order(std::move(effects));
}

std::vector<Effect> Effects::open_of_this_process() const {
    std::vector<Effect> effects;
    append(effects, database_->query(open_of_process_sql, {{"process", process_}}));
    return effects;
}

std::vector<Effect> Effects::of(const std::vector<std::string>& objects, Instant since) const {
    std::vector<Effect> effects;
    for (const auto& object : objects) {
        append(effects,
               database_->query(since_sql, {{"object", object}, {"object2", object}, {"since", to_ms(since)}}));
    }
    return in_order(std::move(effects));
}

void Effects::forget_older_than(std::chrono::days age) {
    database_->execute("DELETE FROM external_effects WHERE process = :process AND created_ms < :before",
                       {{"process", process_}, {"before", to_ms(clock_.now() - age)}});
}

}  // namespace mk::ledger

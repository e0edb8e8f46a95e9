#include "control/ledger/ledger.hpp"

#include "base/error.hpp"

namespace mk::ledger {

namespace {

constexpr const char* columns = "id, site, kind, name, object_id, vm_context_id, job_id, state, created_ms";
const std::string is_open = "state IN ('intended', 'present')";

State state_from(const std::string& word) {
    return word == "intended"      ? State::intended
           : word == "present"     ? State::present
           : word == "handed_over" ? State::handed_over
                                   : State::gone;
}

Entry entry_from(const db::Row& row) {
    Entry entry;
    entry.id = row.text("id");
    entry.site = row.text("site") == "source" ? Site::source : Site::target;
    entry.kind = row.text("kind");
    entry.name = row.text("name");
    entry.object_id = row.text_or_null("object_id").value_or("");
    entry.vm_context_id.value = row.text_or_null("vm_context_id").value_or("");
    entry.job_id.value = row.text_or_null("job_id").value_or("");
    entry.state = state_from(row.text("state"));
    entry.created = from_ms(row.number("created_ms"));
    return entry;
}

db::Value text_or_null(const std::string& text) {
    return text.empty() ? db::Value(nullptr) : db::Value(text);
}

}  // namespace

std::string_view to_string(Site site) {
    return site == Site::source ? "source" : "target";
}

std::string_view to_string(State state) {
    switch (state) {
        case State::intended:
            return "intended";
        case State::present:
            return "present";
        case State::gone:
            return "gone";
        case State::handed_over:
            return "handed_over";
    }
    return "unknown";
}

Ledger::Ledger(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

std::string Ledger::intend(Site site, const std::string& kind, const std::string& name,
                           const VmContextId& vm_context_id, const JobId& job_id) {
    std::string id;
    database_->transact([&](db::Session& session) {
        const auto open = session.query_one(
            "SELECT id FROM ledger WHERE site = :site AND kind = :kind AND name = :name AND " + is_open,
            {{"site", std::string(to_string(site))}, {"kind", kind}, {"name", name}});
        if (open) {
            id = open->text("id");
            return;
        }
        id = new_uuid();
        const auto now = to_ms(clock_.now());
        session.execute(
            "INSERT INTO ledger (id, site, kind, name, vm_context_id, job_id, state, created_ms, updated_ms)"
            " VALUES (:id, :site, :kind, :name, :vm, :job, 'intended', :now, :now2)",
            {{"id", id},
             {"site", std::string(to_string(site))},
             {"kind", kind},
             {"name", name},
             {"vm", text_or_null(vm_context_id.value)},
             {"job", text_or_null(job_id.value)},
             {"now", now},
             {"now2", now}});
    });
    return id;
}

void Ledger::confirm(const std::string& id, const std::string& object_id) {
    const auto changed =
        database_->execute("UPDATE ledger SET object_id = :object, state = 'present', updated_ms = :now WHERE id = :id",
                           {{"object", object_id}, {"now", to_ms(clock_.now())}, {"id", id}});
    if (changed == 0) {
        throw Error(ErrorCode::internal, "the ledger has no entry " + id);
    }
}

void Ledger::gone(const std::string& id) {
    database_->execute("UPDATE ledger SET state = 'gone', updated_ms = :now WHERE id = :id",
                       {{"now", to_ms(clock_.now())}, {"id", id}});
}

void Ledger::object_gone(const std::string& kind, const std::string& object_id) {
    database_->execute(
        "UPDATE ledger SET state = 'gone', updated_ms = :now WHERE kind = :kind AND object_id = :object AND " + is_open,
        {{"now", to_ms(clock_.now())}, {"kind", kind}, {"object", object_id}});
}

void Ledger::name_gone(const std::string& kind, const std::string& name) {
    database_->execute(
        "UPDATE ledger SET state = 'gone', updated_ms = :now WHERE kind = :kind AND name = :name AND " + is_open,
        {{"now", to_ms(clock_.now())}, {"kind", kind}, {"name", name}});
}

void Ledger::hand_over(const std::string& id) {
    database_->execute("UPDATE ledger SET state = 'handed_over', updated_ms = :now WHERE id = :id AND " + is_open,
                       {{"now", to_ms(clock_.now())}, {"id", id}});
}

std::vector<Entry> Ledger::open_entries(const std::optional<VmContextId>& vm_context_id) const {
    return vm_context_id ? entries_where(is_open + " AND vm_context_id = :vm", {{"vm", vm_context_id->value}})
                         : entries_where(is_open, {});
}

std::vector<Entry> Ledger::handed_over_entries() const {
    return entries_where("state = 'handed_over'", {});
}

std::vector<Entry> Ledger::entries_where(const std::string& condition, const db::Parameters& parameters) const {
    std::vector<Entry> entries;
    for (const auto& row : database_->query(
             std::string("SELECT ") + columns + " FROM ledger WHERE " + condition + " ORDER BY id", parameters)) {
        entries.push_back(entry_from(row));
    }
    return entries;
}

}  // namespace mk::ledger

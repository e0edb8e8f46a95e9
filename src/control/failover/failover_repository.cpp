#include "control/failover/failover_repository.hpp"

#include <algorithm>

#include "base/json_fields.hpp"

namespace mk::failover {

std::vector<NicOrder> nics_of(const FailoverJob& job) {
    std::vector<NicOrder> nics;
    const auto decided = json::parse(job.network_mappings);
    for (const auto& nic : json::value_or<Json>(decided, "nics", Json::array())) {
        nics.push_back({.network_id = json::require<std::string>(nic, "network_id"),
                        .mac = json::value_or<std::string>(nic, "mac", ""),
                        .address = json::value_or<std::string>(nic, "address", "")});
    }
    return nics;
}

namespace {

const std::string select_job =
    "SELECT job_id, vm_context_id, job_type, status, source_vm_name, source_vm_spec, recovery_point_id, "
    "destination_vm_id,"
    " destination_vm_name, network_mappings, test_duration_s, auto_cleanup, boot_verdict, boot_evidence, verdict, "
    "verdict_note,"
    " created_ms, completed_ms, request, rollback_at_ms, boot_observations FROM failover_jobs";

/// Rows of before the request was kept know the rest.
FailoverRequest request_of(const db::Row& row) {
    if (const auto text = row.text_or_null("request")) {
        return request_from(json::parse(*text));
    }
    FailoverRequest request;
    request.live = row.text("job_type") == "live";
    request.auto_cleanup = row.flag("auto_cleanup");
    return request;
}

FailoverJob job_from(const db::Row& row) {
    const auto text = [&](const char* column) { return row.text_or_null(column).value_or(""); };
    FailoverJob job;
    job.job_id.value = row.text("job_id");
    job.vm_context_id.value = row.text("vm_context_id");
    job.live = row.text("job_type") == "live";
    job.status = row.text("status");
    job.source_vm_name = row.text("source_vm_name");
    job.source_vm_spec = row.text("source_vm_spec");
    job.recovery_point_id.value = text("recovery_point_id");
    job.destination_vm_id.value = text("destination_vm_id");
    job.destination_vm_name = text("destination_vm_name");
    job.network_mappings = row.text("network_mappings");
    job.test_duration_s = row.number_or_null("test_duration_s");
    job.auto_cleanup = row.flag("auto_cleanup");
    job.boot_verdict = text("boot_verdict");
    job.boot_evidence = text("boot_evidence");
    job.verdict = text("verdict");
    job.verdict_note = text("verdict_note");
    job.boot_observations = text("boot_observations");
    job.request = request_of(row);
    if (const auto ms = row.number_or_null("rollback_at_ms")) {
        job.rollback_at = from_ms(*ms);
    }
    job.created = from_ms(row.number("created_ms"));
    if (const auto ms = row.number_or_null("completed_ms")) {
        job.completed = from_ms(*ms);
    }
    return job;
}

db::Value text_or_null(const std::string& text) {
    return text.empty() ? db::Value(nullptr) : db::Value(text);
}

}  // namespace

FailoverRepository::FailoverRepository(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

void FailoverRepository::add(db::Session& session, const FailoverJob& job) {
    const auto now = to_ms(clock_.now());
    session.execute(
        "INSERT INTO failover_jobs (job_id, vm_context_id, job_type, status, source_vm_name, source_vm_spec, "
        "recovery_point_id,"
        " network_mappings, test_duration_s, auto_cleanup, created_ms, updated_ms, started_ms, request)"
        " VALUES (:job, :vm, :type, 'running', :name, :spec, :point, :networks, :duration, :auto, :now, :now2, :now3,"
        " :request)",
        {{"job", job.job_id.value},
         {"vm", job.vm_context_id.value},
         {"type", std::string(job.live ? "live" : "test")},
         {"name", job.source_vm_name},
         {"spec", job.source_vm_spec},
         {"point", text_or_null(job.recovery_point_id.value)},
         {"networks", job.network_mappings},
         {"duration", db::value_of(job.test_duration_s)},
         {"auto", std::int64_t{job.auto_cleanup ? 1 : 0}},
         {"now", now},
         {"now2", now},
         {"now3", now},
         {"request", json::dump(to_json(job.request))}});
}

std::optional<FailoverJob> FailoverRepository::find(db::Session& session, const JobId& job) {
    const auto row = session.query_one(select_job + " WHERE job_id = :job", {{"job", job.value}});
    return row ? std::optional<FailoverJob>(job_from(*row)) : std::nullopt;
}

std::optional<FailoverJob> FailoverRepository::find(const JobId& job) const {
    const auto row = database_->query_one(select_job + " WHERE job_id = :job", {{"job", job.value}});
    return row ? std::optional<FailoverJob>(job_from(*row)) : std::nullopt;
}

std::optional<FailoverJob> FailoverRepository::latest(const VmContextId& vm) const {
    const auto row = database_->query_one(select_job + " WHERE vm_context_id = :vm ORDER BY job_id DESC LIMIT 1",
                                          {{"vm", vm.value}});
    return row ? std::optional<FailoverJob>(job_from(*row)) : std::nullopt;
}

std::vector<FailoverJob> FailoverRepository::due_for_rollback(Instant now) const {
    std::vector<FailoverJob> due;
    for (const auto& row :
         database_->query(select_job + " WHERE job_type = 'test' AND status = 'completed' AND rollback_at_ms <= :now"
                                       " ORDER BY job_id",
                          {{"now", to_ms(now)}})) {
        due.push_back(job_from(row));
    }
    return due;
}

void FailoverRepository::update(db::Session& session, const JobId& job, const std::string& assignments,
                                db::Parameters values) {
    values.push_back({"updated", to_ms(clock_.now())});
    values.push_back({"job", job.value});
    session.execute("UPDATE failover_jobs SET " + assignments + ", updated_ms = :updated WHERE job_id = :job", values);
}

void FailoverRepository::update(const JobId& job, const std::string& assignments, db::Parameters values) {
    database_->transact([&](db::Session& session) { update(session, job, assignments, values); });
}

void FailoverRepository::set_status(db::Session& session, const JobId& job, const std::string& status,
                                    const std::string& error) {
    update(session, job, "status = :status, error_message = :error",
           {{"status", status}, {"error", text_or_null(error)}});
}

void FailoverRepository::set_status(const JobId& job, const std::string& status, const std::string& error) {
    database_->transact([&](db::Session& session) { set_status(session, job, status, error); });
}

void FailoverRepository::set_recovery_point(const JobId& job, const RecoveryPointId& point) {
    update(job, "recovery_point_id = :point", {{"point", point.value}});
}

void FailoverRepository::set_destination(const JobId& job, const CloudMachineId& machine, const std::string& name) {
    update(job, "destination_vm_id = :machine, destination_vm_name = :name",
           {{"machine", text_or_null(machine.value)}, {"name", text_or_null(name)}});
}

void FailoverRepository::set_nics(const JobId& job, const std::vector<NicOrder>& nics) {
    auto list = Json::array();
    for (const auto& nic : nics) {
        list.push_back({{"network_id", nic.network_id}, {"mac", nic.mac}, {"address", nic.address}});
    }
    update(job, "network_mappings = :networks", {{"networks", json::dump(Json{{"nics", std::move(list)}})}});
}

void FailoverRepository::set_boot(const JobId& job, const BootEvidence& evidence) {
    auto seen = Json::array();
    for (const auto& observation : evidence.observations) {
        seen.push_back({{"when", to_iso8601(observation.when)},
                        {"probe", observation.probe},
                        {"is_proof", observation.is_proof},
                        {"text", observation.text}});
    }
    update(job, "boot_verdict = :verdict, boot_evidence = :evidence, boot_observations = :seen",
           {{"verdict", std::string(to_string(evidence.verdict))},
            {"evidence", evidence.text},
            {"seen", json::dump(seen)}});
}

void FailoverRepository::set_verdict(db::Session& session, const JobId& job, const std::string& verdict,
                                     const std::string& note) {
    update(session, job, "verdict = :verdict, verdict_note = :note",
           {{"verdict", verdict}, {"note", text_or_null(note)}});
}

void FailoverRepository::complete(const JobId& job) {
    const auto now = clock_.now();
    database_->transact([&](db::Session& session) {
        update(session, job, "status = 'completed', completed_ms = :completed", {{"completed", to_ms(now)}});
        const auto done = find(session, job);
        if (done && done->request.auto_cleanup && done->request.test_duration) {
            set_rollback_at(session, job, now + *done->request.test_duration);
        }
    });
}

Instant FailoverRepository::extend(const JobId& job, std::chrono::seconds by) {
    Instant end{};
    database_->transact([&](db::Session& session) {
        const auto test = find(session, job);
        if (!test || test->status != "completed" || !test->rollback_at || !test->completed) {
            throw Error(ErrorCode::conflict,
                        test && test->status == "completed"
                            ? "this test does not end by itself: it runs until somebody "
                              "finishes it"
                            : "no test is running",
                        {.consequence = "Nothing was changed.",
                         .remedy = "End a test when it is time: migratekit failover finish VM --verdict VERDICT",
                         .retry_safe = true});
        }
        // One that is over and waits for a sync is given the time from now on.
        end = std::max(*test->rollback_at, clock_.now()) + by;
        if (end - *test->completed > longest_duration) {
            throw Error(ErrorCode::invalid, "the test would run for more than 30 days",
                        {.consequence = "Nothing was changed; it ends at " + to_iso8601(*test->rollback_at) + ".",
                         .remedy = "Extend it by less.",
                         .retry_safe = true});
        }
        set_rollback_at(session, job, end);
    });
    return end;
}

void FailoverRepository::set_rollback_at(db::Session& session, const JobId& job, Instant when) {
    update(session, job, "rollback_at_ms = :at", {{"at", to_ms(when)}});
}

}  // namespace mk::failover

#include "control/failover/failover_repository.hpp"

namespace mk::failover {

namespace {

const std::string select_job =
    "SELECT job_id, vm_context_id, job_type, status, source_vm_name, source_vm_spec, recovery_point_id, "
    "destination_vm_id,"
    " destination_vm_name, network_mappings, test_duration_s, auto_cleanup, boot_verdict, boot_evidence, verdict, "
    "verdict_note,"
    " created_ms, completed_ms FROM failover_jobs";

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
        " network_mappings, test_duration_s, auto_cleanup, created_ms, updated_ms, started_ms)"
        " VALUES (:job, :vm, :type, 'running', :name, :spec, :point, :networks, :duration, :auto, :now, :now2, :now3)",
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
         {"now3", now}});
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
         database_->query(select_job + " WHERE job_type = 'test' AND status = 'completed' AND auto_cleanup = 1 AND "
                                       "test_duration_s IS NOT NULL"
                                       " AND completed_ms + test_duration_s * 1000 <= :now ORDER BY job_id",
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

void FailoverRepository::set_boot(const JobId& job, const std::string& verdict, const std::string& evidence) {
    update(job, "boot_verdict = :verdict, boot_evidence = :evidence", {{"verdict", verdict}, {"evidence", evidence}});
}

void FailoverRepository::set_verdict(db::Session& session, const JobId& job, const std::string& verdict,
                                     const std::string& note) {
    update(session, job, "verdict = :verdict, verdict_note = :note",
           {{"verdict", verdict}, {"note", text_or_null(note)}});
}

void FailoverRepository::complete(const JobId& job) {
    update(job, "status = 'completed', completed_ms = :completed", {{"completed", to_ms(clock_.now())}});
}

}  // namespace mk::failover

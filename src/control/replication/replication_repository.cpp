#include "control/replication/replication_repository.hpp"

namespace mk::replication {

ReplicationRepository::ReplicationRepository(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

void ReplicationRepository::add(db::Session& session, const JobId& job, const VmContextId& vm,
                                const std::string& type) {
    session.execute(
        "INSERT INTO replication_jobs (job_id, vm_context_id, replication_type, status, current_operation, "
        "vma_sync_type,"
        " bytes_total, bytes_done, bytes_sent, bytes_zeroed, bytes_per_second, created_ms)"
        " VALUES (:job, :vm, :type, 'replicating', 'Preparing', '', 0, 0, 0, 0, 0, :now)",
        {{"job", job.value}, {"vm", vm.value}, {"type", type}, {"now", to_ms(clock_.now())}});
}

void ReplicationRepository::set_operation(const JobId& job, const std::string& operation) {
    database_->execute(
        "UPDATE replication_jobs SET current_operation = :operation, heartbeat_ms = :now WHERE job_id = :job",
        {{"operation", operation}, {"now", to_ms(clock_.now())}, {"job", job.value}});
}

namespace {

constexpr std::size_t longest_operation = 255;  // bytes; the column's width

/// At most `limit` bytes, never ending inside a UTF-8 sequence.
std::string cut(std::string text, std::size_t limit) {
    if (text.size() > limit) {
        while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) {
            --limit;
        }
        text.resize(limit);
    }
    return text;
}

}  // namespace

std::string operation_of(const contracts::PassProgress& progress) {
    if (!progress.stalled_seconds) {
        return progress.stage;
    }
    const auto text = "Stalled for " + std::to_string(*progress.stalled_seconds / 60) + " min";
    return progress.trouble.empty() ? text : cut(text + ": " + progress.trouble, longest_operation);
}

void ReplicationRepository::set_progress(const JobId& job, const contracts::PassProgress& progress) {
    database_->execute(
        "UPDATE replication_jobs SET current_operation = :operation, vma_sync_type = :sync_type,"
        " replication_type = CASE WHEN :sync_type2 = '' OR replication_type = 'verification' THEN replication_type"
        " ELSE :sync_type3 END, vma_eta_seconds = :eta,"
        " bytes_total = :total, bytes_done = :done, bytes_sent = :sent, bytes_zeroed = :zeroed, bytes_wire = :wire,"
        " bytes_per_second = :rate, bottleneck = :bottleneck, attempt = :attempt, heartbeat_ms = :heartbeat"
        " WHERE job_id = :job",
        {{"operation", operation_of(progress)},
         {"sync_type", progress.sync_type},
         {"sync_type2", progress.sync_type},
         {"sync_type3", progress.sync_type},
         {"eta", db::value_of(progress.eta_seconds)},
         {"total", static_cast<std::int64_t>(progress.total_bytes)},
         {"done", static_cast<std::int64_t>(progress.done_bytes)},
         {"sent", static_cast<std::int64_t>(progress.sent_bytes)},
         {"zeroed", static_cast<std::int64_t>(progress.zeroed_bytes)},
         {"wire", static_cast<std::int64_t>(progress.wire_bytes)},
         {"rate", static_cast<std::int64_t>(progress.bytes_per_second)},
         {"bottleneck", progress.bottleneck},
         {"attempt", std::int64_t{progress.attempt}},
         {"heartbeat", progress.heartbeat_ms},
         {"job", job.value}});
}

void ReplicationRepository::end(db::Session& session, const JobId& job, const std::string& status,
                                const std::string& operation, const std::string& error) {
    session.execute(
        "UPDATE replication_jobs SET status = :status, current_operation = :operation, error_message = :error,"
        " vma_eta_seconds = NULL, completed_ms = :now WHERE job_id = :job",
        {{"status", status},
         {"operation", operation},
         {"error", error.empty() ? db::Value(nullptr) : db::Value(error)},
         {"now", to_ms(clock_.now())},
         {"job", job.value}});
}

std::optional<ReplicationJob> ReplicationRepository::find(const JobId& job) const {
    const auto row = database_->query_one(
        "SELECT job_id, vm_context_id, replication_type, status, current_operation, vma_sync_type, vma_eta_seconds, "
        "bytes_total,"
        " bytes_done, bytes_sent, bytes_zeroed, bytes_wire, bytes_per_second, bottleneck, attempt, heartbeat_ms,"
        " created_ms, completed_ms FROM replication_jobs WHERE job_id = :job",
        {{"job", job.value}});
    if (!row) {
        return std::nullopt;
    }
    const auto bytes = [&](const char* column) { return static_cast<Bytes>(row->number(column)); };
    ReplicationJob found;
    found.job_id.value = row->text("job_id");
    found.vm_context_id.value = row->text("vm_context_id");
    found.replication_type = row->text("replication_type");
    found.status = row->text("status");
    found.current_operation = row->text("current_operation");
    found.vma_sync_type = row->text("vma_sync_type");
    found.vma_eta_seconds = row->number_or_null("vma_eta_seconds");
    found.bytes_total = bytes("bytes_total");
    found.bytes_done = bytes("bytes_done");
    found.bytes_sent = bytes("bytes_sent");
    found.bytes_zeroed = bytes("bytes_zeroed");
    found.bytes_wire = bytes("bytes_wire");
    found.bytes_per_second = bytes("bytes_per_second");
    found.bottleneck = row->text("bottleneck");
    found.attempt = static_cast<int>(row->number("attempt"));
    if (const auto ms = row->number_or_null("heartbeat_ms")) {
        found.heartbeat = from_ms(*ms);
    }
    found.created = from_ms(row->number("created_ms"));
    if (const auto ms = row->number_or_null("completed_ms")) {
        found.completed = from_ms(*ms);
    }
    return found;
}

}  // namespace mk::replication

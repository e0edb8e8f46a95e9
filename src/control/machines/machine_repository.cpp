#include "control/machines/machine_repository.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "control/machines/machine_rows.hpp"

namespace mk::machines {

namespace {

constexpr const char* status_before_key = "status_before";

const std::string select_machine = std::string("SELECT ") + machine_columns + " FROM vm_contexts";

Machine locked(db::Session& session, const VmContextId& id) {
    const auto row = session.query_one(select_machine + " WHERE context_id = :id", {{"id", id.value}});
    if (!row) {
        throw Error(
            ErrorCode::not_found, "there is no managed machine " + id.value,
            {.consequence = "Nothing was changed.", .remedy = "List them: migratekit vm list", .retry_safe = true});
    }
    return machine_from(*row);
}

void write_status(db::Session& session, const Machine& machine, MachineStatus status, const std::string& reason,
                  const JobId& job, std::int64_t now) {
    if (!is_legal(machine.status, status)) {
        throw Error(ErrorCode::internal, "machine " + machine.id.value + " cannot go from " +
                                             std::string(to_string(machine.status)) + " to " +
                                             std::string(to_string(status)));
    }
    const auto changed = session.execute(
        "UPDATE vm_contexts SET current_status = :status, status_ms = :now, status_reason = :reason, current_job_id = "
        ":job,"
        " version = version + 1, updated_ms = :now2 WHERE context_id = :id AND version = :version",
        {{"status", std::string(to_string(status))},
         {"now", now},
         {"reason", reason.empty() ? db::Value(nullptr) : db::Value(reason)},
         {"job", job.empty() ? db::Value(nullptr) : db::Value(job.value)},
         {"now2", now},
         {"id", machine.id.value},
         {"version", machine.version}});
    if (changed == 0) {
        throw Error(ErrorCode::conflict, "somebody else changed machine " + machine.source.name + " at the same moment",
                    {.consequence = "Nothing was changed.", .remedy = "Try again.", .retry_safe = true});
    }
}

/// Asked only where it decides something.
MachineFacts facts_of(db::Session& session, const Machine& machine) {
    MachineFacts facts;
    if (machine.status == MachineStatus::failed_over_test) {
        const auto row = session.query_one(
            "SELECT metadata FROM job_tracking WHERE vm_context_id = :vm AND job_type = :type ORDER BY id DESC LIMIT 1",
            {{"vm", machine.id.value}, {"type", std::string(to_string(JobType::test_failover))}});
        facts.test_on_clones = row && json::value_or<bool>(json::parse(row->text("metadata")), on_clones_key, false);
    }
    return facts;
}

std::string free_context_id(db::Session& session, const std::string& wanted) {
    for (int number = 1;; ++number) {
        const auto id = number == 1 ? wanted : wanted + "-" + std::to_string(number);
        if (!session.query_one("SELECT context_id FROM vm_contexts WHERE context_id = :id", {{"id", id}})) {
            return id;
        }
    }
}

}  // namespace

MachineRepository::MachineRepository(std::shared_ptr<db::Database> database, joblog::JobLog& job_log,
                                     const Clock& clock)
    : database_(std::move(database)), job_log_(job_log), clock_(clock) {}

VmContextId MachineRepository::add(const CredentialId& credential, const SourceMachine& source) {
    const auto boot_disk = boot_disk_of(source);
    const auto now = to_ms(clock_.now());
    VmContextId id;
    database_->transact([&](db::Session& session) {
        const auto managed = session.query_one(
            "SELECT context_id FROM vm_contexts WHERE vcenter_uuid = :vcenter AND instance_uuid = :instance",
            {{"vcenter", source.vcenter_uuid}, {"instance", source.instance_uuid}});
        if (managed) {
            throw Error(ErrorCode::conflict, source.name + " is managed already, as " + managed->text("context_id"),
                        {.consequence = "Nothing was changed.",
                         .remedy = "Look at it: migratekit vm show " + managed->text("context_id"),
                         .retry_safe = true});
        }
        id.value = free_context_id(session, context_id_for(source.name, clock_.now()));
        session.execute(
            "INSERT INTO vm_contexts (context_id, credential_id, vcenter_uuid, instance_uuid, moref, vm_name, vm_path,"
            " specification, current_status, status_ms, boot_disk_id, version, created_ms, updated_ms)"
            " VALUES (:id, :credential, :vcenter, :instance, :moref, :name, :path, :specification, 'discovered', :now, "
            ":boot, 1,"
            " :now2, :now3)",
            {{"id", id.value},
             {"credential", credential.value},
             {"vcenter", source.vcenter_uuid},
             {"instance", source.instance_uuid},
             {"moref", source.moref},
             {"name", source.name},
             {"path", source.path},
             {"specification", specification_text(source)},
             {"now", now},
             {"boot", boot_disk.value},
             {"now2", now},
             {"now3", now}});
        save_disks(session, id, source, boot_disk);
    });
    return id;
}

void MachineRepository::update_source(const VmContextId& id, const SourceMachine& source) {
    database_->transact([&](db::Session& session) {
        const auto machine = locked(session, id);
        const auto now = to_ms(clock_.now());
        if (specification_text(machine.source) != specification_text(source)) {
            session.execute(
                "INSERT INTO vm_specification_history (id, vm_context_id, specification, created_ms)"
                " VALUES (:id, :vm, :specification, :now)",
                {{"id", new_uuid()},
                 {"vm", id.value},
                 {"specification", specification_text(machine.source)},
                 {"now", now}});
        }
        session.execute(
            "UPDATE vm_contexts SET moref = :moref, vm_name = :name, vm_path = :path, specification = :specification,"
            " updated_ms = :now WHERE context_id = :id",
            {{"moref", source.moref},
             {"name", source.name},
             {"path", source.path},
             {"specification", specification_text(source)},
             {"now", now},
             {"id", id.value}});
        save_disks(session, id, source, machine.boot_disk);
    });
}

void MachineRepository::remove(const VmContextId& id, const JobId& job) {
    database_->transact([&](db::Session& session) {
        const auto machine = locked(session, id);
        if (job.empty() || machine.current_job != job) {
            throw Error(ErrorCode::conflict, "another job of " + machine.source.name + " is running",
                        {.consequence = "The machine stays in management.",
                         .remedy = "Wait for it: migratekit vm watch " + machine.source.name,
                         .retry_safe = true});
        }
        job_log_.end(session, job, nullptr);
        session.execute("DELETE FROM vm_contexts WHERE context_id = :id", {{"id", id.value}});
    });
}

std::optional<Machine> MachineRepository::find(const VmContextId& id) const {
    const auto row = database_->query_one(select_machine + " WHERE context_id = :id", {{"id", id.value}});
    return row ? std::optional<Machine>(machine_from(*row)) : std::nullopt;
}

Machine MachineRepository::require(const std::string& words) const {
    auto machines = list();
    const auto keep = [&](auto matches) {
        std::vector<Machine> kept;
        std::copy_if(machines.begin(), machines.end(), std::back_inserter(kept), matches);
        return kept;
    };
    auto found = keep([&](const Machine& m) { return m.id.value == words || m.source.name == words; });
    if (found.empty() && !words.empty()) {
        found =
            keep([&](const Machine& m) { return m.id.value.starts_with(words) || m.source.name.starts_with(words); });
    }
    if (found.empty()) {
        throw Error(
            ErrorCode::not_found, "there is no managed machine '" + words + "'",
            {.consequence = "Nothing was changed.", .remedy = "List them: migratekit vm list", .retry_safe = true});
    }
    if (found.size() > 1) {
        std::string candidates;
        for (const auto& machine : found) {
            candidates += (candidates.empty() ? "" : ", ") + machine.id.value;
        }
        // Said as "not found": the command line tells missing and ambiguous names with the same exit code (gui.md
        // section 10).
        throw Error(
            ErrorCode::not_found, "'" + words + "' means several machines: " + candidates,
            {.consequence = "Nothing was changed.", .remedy = "Use the full name or the ctx- id.", .retry_safe = true});
    }
    return found.front();
}

std::optional<Machine> MachineRepository::find_by_source(const std::string& vcenter_uuid,
                                                         const std::string& instance_uuid) const {
    const auto row =
        database_->query_one(select_machine + " WHERE vcenter_uuid = :vcenter AND instance_uuid = :instance",
                             {{"vcenter", vcenter_uuid}, {"instance", instance_uuid}});
    return row ? std::optional<Machine>(machine_from(*row)) : std::nullopt;
}

std::vector<Machine> MachineRepository::list() const {
    std::vector<Machine> machines;
    for (const auto& row : database_->query(select_machine + " ORDER BY vm_name, context_id")) {
        machines.push_back(machine_from(row));
    }
    return machines;
}

std::vector<MachineDisk> MachineRepository::disks(const VmContextId& id) const {
    std::vector<MachineDisk> disks;
    for (const auto& row : database_->query(
             std::string("SELECT ") + disk_columns + " FROM vm_disks WHERE vm_context_id = :vm ORDER BY position",
             {{"vm", id.value}})) {
        disks.push_back(disk_from(row));
    }
    return disks;
}

void MachineRepository::set_disk_volume(const VmContextId& id, const DiskId& disk, const VolumeId& volume) {
    database_->execute("UPDATE vm_disks SET volume_id = :volume WHERE vm_context_id = :vm AND disk_id = :disk",
                       {{"volume", volume.value}, {"vm", id.value}, {"disk", disk.value}});
}

void MachineRepository::set_disk_progress(const VmContextId& id, const DiskId& disk, Bytes total, Bytes done) {
    database_->execute(
        "UPDATE vm_disks SET bytes_total = :total, bytes_done = :done WHERE vm_context_id = :vm AND disk_id = :disk",
        {{"total", static_cast<std::int64_t>(total)},
         {"done", static_cast<std::int64_t>(done)},
         {"vm", id.value},
         {"disk", disk.value}});
}

JobId MachineRepository::begin(const VmContextId& id, MachineAction action, std::optional<MachineStatus> during,
                               const joblog::JobStart& start,
                               const std::function<void(db::Session&, const JobId&)>& also) {
    JobId job;
    database_->transact([&](db::Session& session) {
        const auto machine = locked(session, id);
        if (!machine.current_job.empty()) {
            throw Error(ErrorCode::conflict,
                        "another job of " + machine.source.name + " is running: " + machine.current_job.value,
                        {.consequence = "Nothing was changed.",
                         .remedy = "Wait for it (migratekit job wait " + machine.current_job.value + ") or stop it.",
                         .retry_safe = true});
        }
        if (const auto refused = refusal(machine.status, action, facts_of(session, machine))) {
            throw Error(ErrorCode::conflict, refused->reason,
                        {.consequence = "Nothing was changed.",
                         .remedy = for_machine(*refused, machine.source.name).remedy,
                         .retry_safe = true});
        }
        auto metadata = start.metadata.empty() ? Json::object() : json::parse(start.metadata);
        metadata[status_before_key] = to_string(machine.status);
        auto full_start = start;
        full_start.metadata = json::dump(metadata);
        job = job_log_.start(session, full_start);
        const auto next = beside_a_test(machine.status, action, during.value_or(machine.status));
        write_status(session, machine, next, "", job, to_ms(clock_.now()));
        if (also) {
            also(session, job);
        }
    });
    return job;
}

void MachineRepository::set_status(const VmContextId& id, MachineStatus status, const std::string& reason) {
    database_->transact([&](db::Session& session) {
        const auto machine = locked(session, id);
        write_status(session, machine, status, reason, machine.current_job, to_ms(clock_.now()));
    });
}

std::optional<MachineStatus> MachineRepository::status_before(const JobId& job) const {
    const auto word = job_log_.recall(job, status_before_key);
    return word.is_string() ? std::optional(machine_status_from(word.get<std::string>())) : std::nullopt;
}

JobStatus MachineRepository::end_job(const VmContextId& id, const JobId& job, MachineStatus status,
                                     const std::string& reason, const Error* error,
                                     const std::function<void(db::Session&)>& also) {
    auto outcome = JobStatus::failed;
    database_->transact([&](db::Session& session) {
        outcome = job_log_.end(session, job, error);
        const auto row = session.query_one(select_machine + " WHERE context_id = :id", {{"id", id.value}});
        if (row) {
            const auto machine = machine_from(*row);
            if (machine.current_job == job) {
                write_status(session, machine, status, reason, JobId{}, to_ms(clock_.now()));
            }
        }
        if (also) {
            also(session);
        }
    });
    log::info("job={} ended {}{}{}; machine {} is {}", job.value, to_string(outcome), error != nullptr ? ": " : "",
              error != nullptr ? error->full_text() : std::string{}, id.value, to_string(status));
    return outcome;
}

void MachineRepository::set_boot_disk(const VmContextId& id, const DiskId& disk) {
    database_->transact([&](db::Session& session) {
        const auto machine = locked(session, id);
        const auto refused = refusal(machine.status, MachineAction::set_boot_disk);
        if (refused || !machine.current_job.empty()) {
            throw Error(ErrorCode::conflict,
                        refused ? refused->reason : "a job of the machine is running: " + machine.current_job.value,
                        {.consequence = "Nothing was changed.",
                         .remedy = refused ? for_machine(*refused, machine.source.name).remedy
                                           : "Wait for it: migratekit job wait " + machine.current_job.value,
                         .retry_safe = true});
        }
        const auto is_known = std::any_of(machine.source.disks.begin(), machine.source.disks.end(),
                                          [&](const SourceDisk& known) { return known.id == disk; });
        if (!is_known) {
            throw Error(ErrorCode::invalid, machine.source.name + " has no disk '" + disk.value + "'",
                        {.consequence = "Nothing was changed.",
                         .remedy = "Its disks are listed by: migratekit vm show " + machine.source.name,
                         .retry_safe = true});
        }
        session.execute(
            "UPDATE vm_contexts SET boot_disk_id = :disk, version = version + 1, updated_ms = :now"
            " WHERE context_id = :id",
            {{"disk", disk.value}, {"now", to_ms(clock_.now())}, {"id", id.value}});
        save_disks(session, id, machine.source, disk);
    });
}

void MachineRepository::set_last_sync(const VmContextId& id, Instant when) {
    database_->execute("UPDATE vm_contexts SET last_sync_ms = :at WHERE context_id = :id",
                       {{"at", to_ms(when)}, {"id", id.value}});
}

void MachineRepository::set_verified(db::Session& session, const VmContextId& id,
                                     const std::optional<Verified>& verified) {
    session.execute(
        "UPDATE vm_contexts SET verified_ms = :at, verified_verdict = :verdict, verified_percent = :percent"
        " WHERE context_id = :id",
        {{"at", verified ? db::Value(to_ms(verified->when)) : db::Value(nullptr)},
         {"verdict", verified ? db::Value(verified->verdict) : db::Value(nullptr)},
         {"percent", std::int64_t{verified ? verified->percent : 0}},
         {"id", id.value}});
}

void MachineRepository::set_compare_reason(const VmContextId& id, const std::string& reason) {
    database_->transact([&](db::Session& session) { set_compare_reason(session, id, reason); });
}

void MachineRepository::set_compare_reason(db::Session& session, const VmContextId& id, const std::string& reason) {
    session.execute("UPDATE vm_contexts SET compare_reason = :reason WHERE context_id = :id",
                    {{"reason", reason.empty() ? db::Value(nullptr) : db::Value(reason)}, {"id", id.value}});
}

void MachineRepository::set_last_test(db::Session& session, const VmContextId& id, Instant when,
                                      const std::string& verdict) {
    session.execute("UPDATE vm_contexts SET last_test_ms = :at, last_test_verdict = :verdict WHERE context_id = :id",
                    {{"at", to_ms(when)}, {"verdict", verdict}, {"id", id.value}});
}

}  // namespace mk::machines

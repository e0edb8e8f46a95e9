#include "target/volumes/write_session_service.hpp"

#include <set>

#include <fmt/core.h>

#include "base/log.hpp"
#include "base/secret.hpp"
#include "target/volumes/overlay_apply.hpp"
#include "target/volumes/session_backend.hpp"
#include "target/volumes/worker_team.hpp"

namespace mk::volumes {
namespace {

using namespace std::chrono_literals;
constexpr auto device_limit = 30s;  // cloudstack.md section 9.8
constexpr auto no_wait = 0ms;
constexpr auto lock_limit = 20s;

class DeviceTarget : public ApplyTarget {
  public:
    explicit DeviceTarget(const BlockDevice& device) : device_(device) {}
    void write(Bytes offset, std::span<const std::byte> data) override { device_.write(offset, data); }
    void zero(Range range) override { device_.zero(range); }
    void flush() override { device_.flush(); }

  private:
    const BlockDevice& device_;
};

JournalHeader header_of(const WriteSessionRow& row) {
    return {row.id.value, row.volume_id.value, row.length};
}

Error session_conflict(const WriteSessionRow& active) {
    return Error(
        ErrorCode::conflict,
        fmt::format("the volume {} already has a write session of the job {} ({})", active.volume_id.value,
                    active.job_id.value, active.state),
        {.consequence = "Nothing was changed.", .remedy = "Finish or stop that job first.", .retry_safe = true});
}

}  // namespace

WriteSessionService::WriteSessionService(Parts parts, StagingOptions staging)
    : parts_(parts), staging_(std::make_shared<StagingSpace>(std::move(staging))) {}

WriteSessionService::~WriteSessionService() = default;

// ---- opening

Device WriteSessionService::device_of(const VolumeId& volume_id, std::chrono::milliseconds limit,
                                      const std::stop_token& stop) const {
    const auto volume = parts_.volumes.require(volume_id);
    const auto mapping = parts_.volumes.find_mapping(volume_id);
    if (!mapping || mapping->operation_mode != "oma") {
        throw Error(ErrorCode::conflict, "the volume " + volume.name + " is not attached to this appliance",
                    {.consequence = "Nothing was changed.", .remedy = "Attach it first.", .retry_safe = true});
    }
    return parts_.locator.wait_present(volume_id, volume.size, limit, stop);
}

void WriteSessionService::check_request(const OpenSession& request, const VolumeRow& volume) const {
    if (request.kind != "direct" && request.kind != "staged") {
        throw Error(ErrorCode::invalid,
                    "the kind of a write session is 'direct' or 'staged', not '" + request.kind + "'");
    }
    if (request.length == 0 || request.length % 512 != 0 || request.length > volume.size) {
        throw Error(ErrorCode::invalid, fmt::format("a length of {} bytes does not fit the volume {} with {} bytes",
                                                    request.length, volume.name, volume.size));
    }
}

std::shared_ptr<SessionBackend> WriteSessionService::make_new_backend(const WriteSessionRow& row, const Device& device,
                                                                      Bytes expected) const {
    if (!row.is_staged()) {
        return make_direct_backend(device.path, row.length, true);
    }
    auto account = staging_->open_account();
    account->expect(expected);
    return make_staged_backend(device.path, Overlay::create(staging_->files_of(row.id.value), header_of(row)),
                               std::move(account), true);
}

std::shared_ptr<SessionBackend> WriteSessionService::make_old_backend(const WriteSessionRow& row,
                                                                      const Device& device) const {
    return row.is_staged() ? make_staged_backend(device.path, Overlay::reopen(staging_->files_of(row.id.value)),
                                                 staging_->open_account(), false)
                           : make_direct_backend(device.path, row.length, false);
}

WriteSessionView WriteSessionService::open(const OpenSession& request, const std::stop_token& stop) {
    const auto lease = parts_.locks.acquire(request.volume_id.value, lock_limit, stop);
    const auto volume = parts_.volumes.require(request.volume_id);
    check_request(request, volume);
    if (const auto active = parts_.sessions.find_active(request.volume_id)) {
        const bool is_own = active->job_id == request.job_id;
        if (is_own && active->state != "open") {
            return view_of(*active);
        }
        if (!is_own && (active->state != "open" || active->job_id != request.resume_of)) {
            throw session_conflict(*active);
        }
        if (!is_own && (active->kind != request.kind || active->length != request.length)) {
            abort_open(*active);
        } else if (refresh(*active, stop)) {
            return is_own ? view_of(*active) : take_over(*active, request, stop);
        }
    }
    if (const auto ended = parts_.sessions.find_of_job(request.job_id, request.volume_id);
        ended && ended->state == "committed") {
        return view_of(*ended);
    }
    return open_new(request, volume, stop);
}

/// Makes an open session ready for a new attempt: nothing that an earlier one sent arrives in it any more, and it
/// counts nothing that may be lost. False when what had arrived in it is gone; it is aborted then.
bool WriteSessionService::refresh(const WriteSessionRow& row, const std::stop_token& stop) {
    if (row.is_staged() && staging_->files_of(row.id.value).are_missing()) {
        log::error("session={} job={} volume={} its staged changes are gone", row.short_id(), row.job_id.value,
                   row.volume_id.value);
        abort_open(row);
        return false;
    }
    parts_.server.cut_clients(row.id.value);
    if (require_backend(row, stop)->has_lost_writes()) {
        log::warn("session={} job={} volume={} writes were lost, it begins again from what is durable", row.short_id(),
                  row.job_id.value, row.volume_id.value);
        drop(row.id);
        reopen(row, device_limit, stop);
    }
    return true;
}

WriteSessionView WriteSessionService::take_over(const WriteSessionRow& row, const OpenSession& request,
                                                const std::stop_token& stop) {
    require_backend(row, stop)->expect(request.expected_bytes);
    parts_.sessions.change_job(row, request.job_id);
    log::info("session={} job={} volume={} taken over from job={}", row.short_id(), request.job_id.value,
              row.volume_id.value, row.job_id.value);
    return get(row.id);
}

WriteSessionView WriteSessionService::open_new(const OpenSession& request, const VolumeRow& volume,
                                               const std::stop_token& stop) {
    const auto device = device_of(request.volume_id, device_limit, stop);
    const bool is_staged = request.kind == "staged";
    WriteSessionRow row{.id = WriteSessionId{random_hex(16)},  // the name opens the export: it must not be guessed
                        .job_id = request.job_id,
                        .volume_id = request.volume_id,
                        .kind = request.kind,
                        .state = "open",
                        .length = request.length,
                        .target_is_zero = !is_staged && request.expect_zero && !volume.written,
                        .overlay_path = "",
                        .digest = std::nullopt};
    const auto files = staging_->files_of(row.id.value);
    if (is_staged) {
        row.overlay_path = files.data;
    } else {
        // From now on neither the digest nor "it is zero" is true of the volume.
        parts_.volumes.set_written(request.volume_id);
        parts_.volumes.set_digest(request.volume_id, std::nullopt);
        parts_.digests.forget_current(request.volume_id);
    }
    try {
        auto backend = make_new_backend(row, device, request.expected_bytes);
        parts_.sessions.insert_open(row);
        keep(row.id, std::move(backend));
    } catch (const Error&) {
        if (is_staged) {
            files.remove();
        }
        throw;
    }
    log::info("session={} job={} volume={} kind={} opened", row.short_id(), row.job_id.value, row.volume_id.value,
              row.kind);
    return view_of(row);
}

void WriteSessionService::keep(const WriteSessionId& id, std::shared_ptr<SessionBackend> backend) {
    {
        const std::lock_guard lock(open_mutex_);
        open_[id] = backend;
    }
    parts_.server.add_export(id.value, std::move(backend));
}

void WriteSessionService::drop(const WriteSessionId& id) {
    parts_.server.remove_export(id.value);
    const std::lock_guard lock(open_mutex_);
    open_.erase(id);
}

std::shared_ptr<SessionBackend> WriteSessionService::find_backend(const WriteSessionId& id) const {
    const std::lock_guard lock(open_mutex_);
    const auto found = open_.find(id);
    return found == open_.end() ? nullptr : found->second;
}

/// With the volume's key lock held.
std::shared_ptr<SessionBackend> WriteSessionService::require_backend(const WriteSessionRow& row,
                                                                     const std::stop_token& stop) {
    if (row.state != "open") {
        throw Error(ErrorCode::conflict, "the write session " + row.short_id() + " is not open");
    }
    auto backend = find_backend(row.id);
    return backend ? backend : reopen(row, device_limit, stop);
}

WriteSessionView WriteSessionService::view_of(const WriteSessionRow& row) const {
    if (row.state != "open") {
        return {.row = row, .nbd_uri = "", .export_name = ""};
    }
    const auto backend = find_backend(row.id);
    return {.row = row,
            .nbd_uri = parts_.server.uri_of(row.id.value),
            .export_name = row.id.value,
            .has_writes = !backend || backend->has_writes()};
}

WriteSessionView WriteSessionService::get(const WriteSessionId& id) const {
    return view_of(parts_.sessions.require(id));
}

std::vector<WriteSessionView> WriteSessionService::list_of_job(const JobId& job_id) const {
    std::vector<WriteSessionView> views;
    for (const auto& row : parts_.sessions.list_of_job(job_id)) {
        views.push_back(view_of(row));
    }
    return views;
}

// ---- after a restart

/// The export of an open session that has none. Whatever fails, the session stays open and may be opened again later;
/// only a damaged journal ends it.
std::shared_ptr<SessionBackend> WriteSessionService::reopen(const WriteSessionRow& row, std::chrono::milliseconds limit,
                                                            const std::stop_token& stop) {
    if (row.is_staged() && staging_->files_of(row.id.value).are_missing()) {
        throw Error(ErrorCode::conflict, "the staged changes of the write session " + row.short_id() + " are not there",
                    {.consequence = "The volume is unchanged; the session stays open.",
                     .remedy = "Mount the staging folder and try again. If they are lost for good, abort the write "
                               "session and replicate this machine in full again.",
                     .retry_safe = true});
    }
    const auto device = device_of(row.volume_id, limit, stop);
    try {
        auto backend = make_old_backend(row, device);
        keep(row.id, backend);
        return backend;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::corrupt) {
            log::error("session={} job={} cannot be opened again and is aborted: {}", row.short_id(), row.job_id.value,
                       error.full_text());
            abort_open(row);
        }
        throw;
    }
}

/// At once, or by the next call that needs it.
void WriteSessionService::try_reopen(const WriteSessionId& id) {
    try {
        if (const auto row = parts_.sessions.require(id); row.state == "open") {
            reopen(row, no_wait, {});
        }
    } catch (const Error& error) {
        log::error("session={} cannot be opened again now, it is tried again when it is needed: {}",
                   id.value.substr(0, 8), error.full_text());
    }
}

std::vector<WriteSessionId> WriteSessionService::resume() {
    const auto active = parts_.sessions.list_active();
    std::set<std::string> known;
    for (const auto& row : active) {
        known.insert(row.id.value);
    }
    staging_->remove_orphans(known);
    std::vector<WriteSessionId> committing;
    for (const auto& row : active) {
        if (row.state == "open") {
            try_reopen(row.id);
        } else {
            committing.push_back(row.id);
        }
    }
    return committing;
}

// ---- ending

std::vector<Range> WriteSessionService::verify(const WriteSessionId& id, const std::vector<RangeDigest>& expected,
                                               const Progress& progress) {
    const auto row = parts_.sessions.require(id);
    parts_.server.cut_clients(id.value);
    return find_mismatches(*require_backend(row, progress.stop()), expected, progress);
}

/// Cuts the clients, makes the content complete and records that the commit has begun. Until that record the session is
/// open.
std::shared_ptr<SessionBackend> WriteSessionService::close_for_commit(const WriteSessionRow& row,
                                                                      const std::stop_token& stop) {
    auto backend = require_backend(row, stop);
    parts_.server.remove_export(row.id.value);
    try {
        backend->seal();
        parts_.sessions.change_state(row.id, "open", "committing");
    } catch (const Error&) {
        if (!row.is_staged()) {
            parts_.server.add_export(row.id.value, backend);
            throw;
        }
        // A seal may be in the journal already: begin again from the journal, which drops it.
        drop(row.id);
        backend.reset();
        try_reopen(row.id);
        throw;
    }
    drop(row.id);
    return backend;
}

Committed WriteSessionService::commit(const WriteSessionId& id, const Progress& progress) {
    const auto row = parts_.sessions.require(id);
    if (row.state == "committed") {
        return {row.digest.value_or(""), 0};
    }
    if (row.state == "aborted") {
        throw Error(
            ErrorCode::conflict, "the write session " + row.short_id() + " was aborted",
            {.consequence = "What it holds is not a recovery point.", .remedy = "Replicate the machine again."});
    }
    std::shared_ptr<SessionBackend> backend;
    if (row.state == "open") {
        progress.say("Completing the staged changes");
        backend = close_for_commit(row, progress.stop());
    }
    return finish_commit(row, backend, progress);
}

/// The commit of a session cannot be finished: a part of its changes may be on the volume. The volume is released, so
/// that a full copy can mend it.
void WriteSessionService::give_up(const WriteSessionRow& row, const Error& reason) {
    log::error("session={} job={} volume={} its commit cannot be finished: {}", row.short_id(), row.job_id.value,
               row.volume_id.value, reason.full_text());
    parts_.volumes.set_digest(row.volume_id, std::nullopt);
    parts_.digests.forget_current(row.volume_id);
    parts_.sessions.change_state(row.id, "committing", "aborted");
    try {
        staging_->files_of(row.id.value).remove();
    } catch (const Error& failure) {  // a disk that is broken must not keep the volume
        log::error("session={} its staged changes are left over: {}", row.short_id(), failure.full_text());
    }
}

Committed WriteSessionService::apply_staged(const WriteSessionRow& row, const BlockDevice& device,
                                            const Progress& progress) {
    const auto files = staging_->files_of(row.id.value);
    parts_.volumes.set_written(row.volume_id);
    DeviceTarget target(device);
    Applied applied;
    try {
        applied = apply_overlay(files, header_of(row), target,
                                {.workers = usual_workers, .stop = progress.stop(), .on_progress = [&](double percent) {
                                     progress.say("Applying the changes", percent / 2);
                                 }});
    } catch (const Error& error) {
        if (error.code() == ErrorCode::corrupt) {
            give_up(row, error);
        }
        throw;
    }
    Committed committed;
    committed.digest = parts_.digests.update(
        row.volume_id, device, applied.touched, progress.stop(),
        [&](double percent) { progress.say("Reading back for the digest", 50 + percent / 2); }, applied.whole_leaves);
    committed.bytes = applied.data_bytes;
    parts_.sessions.complete(row, committed.digest);
    files.remove();
    return committed;
}

Committed WriteSessionService::finish_commit(const WriteSessionRow& row, const std::shared_ptr<SessionBackend>& backend,
                                             const Progress& progress) {
    const auto found = device_of(row.volume_id, device_limit, progress.stop());
    const BlockDevice device(found.path);
    Committed committed;
    if (row.is_staged()) {
        committed = apply_staged(row, device, progress);
    } else {
        const auto touched = backend ? backend->touched() : std::nullopt;
        const auto on_digest = [&](double percent) { progress.say("Reading back for the digest", 50 + percent / 2); };
        committed.digest = touched && row.target_is_zero
                               ? parts_.digests.from_zero(row.volume_id, device, *touched, progress.stop(), on_digest)
                               : parts_.digests.recompute(row.volume_id, device, progress.stop(), on_digest);
        for (const auto& range : touched.value_or(std::vector<Range>{{0, row.length}})) {
            committed.bytes += range.length;
        }
        parts_.sessions.complete(row, committed.digest);
    }
    log::info("session={} job={} volume={} committed", row.short_id(), row.job_id.value, row.volume_id.value);
    return committed;
}

void WriteSessionService::abort(const WriteSessionId& id, const std::stop_token& stop, bool gives_up) {
    const auto lease = parts_.locks.acquire(parts_.sessions.require(id).volume_id.value, lock_limit, stop);
    const auto row = parts_.sessions.require(id);
    const bool is_lost = row.state == "committing" && row.is_staged() && staging_->files_of(id.value).are_missing();
    if (is_lost || (gives_up && row.state == "committing")) {
        give_up(row, Error(ErrorCode::corrupt,
                           is_lost ? "its staged changes are gone, and it was aborted" : "it was given up by request"));
        return;
    }
    if (row.state == "committed" || row.state == "committing") {
        throw Error(ErrorCode::conflict,
                    "the write session " + row.short_id() + " is " + row.state + " and cannot be aborted",
                    {.remedy = row.state == "committing" ? "Repeat the commit. If it can never be finished, give it up "
                                                           "and replicate the machine in full again."
                                                         : "",
                     .retry_safe = true});
    }
    if (row.state == "open") {
        abort_open(row);
    }
    staging_->files_of(id.value).remove();
}

void WriteSessionService::abort_open(const WriteSessionRow& row) {
    // Recorded first: a session that is open has its export, whatever fails here.
    parts_.sessions.change_state(row.id, "open", "aborted");
    drop(row.id);
    staging_->files_of(row.id.value).remove();
    log::info("session={} job={} volume={} aborted", row.short_id(), row.job_id.value, row.volume_id.value);
}

}  // namespace mk::volumes

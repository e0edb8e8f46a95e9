#include "target/volumes/write_session_service.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/core.h>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "target/volumes/overlay_apply.hpp"
#include "target/volumes/session_backend.hpp"

namespace mk::volumes {
namespace {

using namespace std::chrono_literals;
constexpr auto device_limit = 30s;  // cloudstack.md section 9.8
constexpr auto lock_limit = 20s;
constexpr std::size_t read_chunk = 1 * MiB;

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
    : parts_(parts), staging_(std::move(staging)) {
    os::make_folders(staging_.folder);
}

WriteSessionService::~WriteSessionService() = default;

// ---- opening

Device WriteSessionService::device_of(const VolumeId& volume_id, const std::stop_token& stop) const {
    const auto volume = parts_.volumes.require(volume_id);
    const auto mapping = parts_.volumes.find_mapping(volume_id);
    if (!mapping || mapping->operation_mode != "oma") {
        throw Error(ErrorCode::conflict, "the volume " + volume.name + " is not attached to this appliance",
                    {.consequence = "Nothing was changed.", .remedy = "Attach it first.", .retry_safe = true});
    }
    return parts_.locator.wait_present(volume_id, volume.size, device_limit, stop);
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

/// Counts what open sessions were promised and have not used yet.
void WriteSessionService::check_staging_space(Bytes expected) const {
    Bytes promised = 0;
    Bytes used = 0;
    {
        const std::lock_guard lock(open_mutex_);
        for (const auto& [id, open] : open_) {
            const auto staged = open.backend->staged_bytes();
            used += staged;
            promised += open.expected > staged ? open.expected - staged : 0;
        }
    }
    const auto free = os::free_bytes(staging_.folder);
    const bool fits_disk = expected + promised + staging_.reserve <= free;
    const bool fits_quota = staging_.quota == 0 || used + promised + expected <= staging_.quota;
    if (!fits_disk || !fits_quota) {
        throw Error(
            ErrorCode::exhausted,
            fmt::format("the staging space cannot take {} of changes: {} free, {} used, {} promised to other sessions",
                        format_bytes(expected), format_bytes(free), format_bytes(used), format_bytes(promised)),
            {.consequence = "Nothing was changed.",
             .remedy =
                 "Enlarge the staging space " + staging_.folder + ", or replicate fewer machines at the same time.",
             .retry_safe = true});
    }
}

std::shared_ptr<SessionBackend> WriteSessionService::make_backend(const WriteSessionRow& row, const Device& device,
                                                                  bool is_new) const {
    if (!row.is_staged()) {
        return make_direct_backend(device.path, row.length, is_new);
    }
    const auto files = OverlayFiles::in(staging_.folder, row.id.value);
    return make_staged_backend(device.path, is_new ? Overlay::create(files, header_of(row)) : Overlay::reopen(files),
                               files);
}

WriteSessionView WriteSessionService::open(const OpenSession& request, const std::stop_token& stop) {
    const auto lease = parts_.locks.acquire(request.volume_id.value, lock_limit, stop);
    const auto volume = parts_.volumes.require(request.volume_id);
    check_request(request, volume);
    if (const auto active = parts_.sessions.find_active(request.volume_id)) {
        if (active->job_id != request.job_id) {
            throw session_conflict(*active);
        }
        return open_again(*active);
    }
    if (const auto ended = parts_.sessions.find_of_job(request.job_id, request.volume_id);
        ended && ended->state == "committed") {
        return view_of(*ended);
    }
    return open_new(request, volume, stop);
}

WriteSessionView WriteSessionService::open_again(const WriteSessionRow& row) {
    auto now = row;
    if (row.target_is_zero && row.state == "open" && backend_of(row.id)->has_writes()) {
        parts_.sessions.set_not_zero(row.id);
        now.target_is_zero = false;
    }
    return view_of(now);
}

WriteSessionView WriteSessionService::open_new(const OpenSession& request, const VolumeRow& volume,
                                               const std::stop_token& stop) {
    const auto device = device_of(request.volume_id, stop);
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
    const auto files = OverlayFiles::in(staging_.folder, row.id.value);
    if (is_staged) {
        check_staging_space(request.expected_bytes);
        row.overlay_path = files.data;
    } else {
        // From now on neither the digest nor "it is zero" is true of the volume.
        parts_.volumes.set_written(request.volume_id);
        parts_.volumes.set_digest(request.volume_id, std::nullopt);
        parts_.digests.forget_current(request.volume_id);
    }
    try {
        auto backend = make_backend(row, device, true);
        parts_.sessions.insert_open(row);
        keep(row.id, backend, request.expected_bytes);
    } catch (const Error&) {
        if (is_staged) {
            files.remove();
        }
        throw;
    }
    log::info("session={} job={} volume={} kind={} opened", row.id.value.substr(0, 8), row.job_id.value,
              row.volume_id.value, row.kind);
    return view_of(row);
}

void WriteSessionService::keep(const WriteSessionId& id, std::shared_ptr<SessionBackend> backend, Bytes expected) {
    {
        const std::lock_guard lock(open_mutex_);
        open_[id] = {backend, expected};
    }
    parts_.server.add_export(id.value, std::move(backend));
}

void WriteSessionService::drop(const WriteSessionId& id) {
    parts_.server.remove_export(id.value);
    const std::lock_guard lock(open_mutex_);
    open_.erase(id);
}

std::shared_ptr<SessionBackend> WriteSessionService::backend_of(const WriteSessionId& id) const {
    const std::lock_guard lock(open_mutex_);
    const auto found = open_.find(id);
    if (found == open_.end()) {
        throw Error(ErrorCode::conflict, "the write session " + id.value + " is not open");
    }
    return found->second.backend;
}

WriteSessionView WriteSessionService::view_of(const WriteSessionRow& row) const {
    return {row, row.state == "open" ? parts_.server.uri_of(row.id.value) : ""};
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

void WriteSessionService::remove_orphans(const std::vector<WriteSessionRow>& active) const {
    std::set<std::string> known;
    for (const auto& row : active) {
        known.insert(row.id.value);
    }
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(staging_.folder, error)) {
        const auto extension = entry.path().extension();
        const bool is_ours = extension == ".data" || extension == ".journal";
        if (is_ours && !known.contains(entry.path().stem().string())) {
            log::warn("the overlay file {} belongs to no session and is removed", entry.path().string());
            os::remove_file(entry.path().string());
        }
    }
}

void WriteSessionService::reopen(const WriteSessionRow& row) {
    try {
        if (row.target_is_zero) {  // what was written before the restart is not known any more
            parts_.sessions.set_not_zero(row.id);
        }
        keep(row.id, make_backend(row, device_of(row.volume_id, {}), false), 0);
    } catch (const Error& error) {
        log::error("session={} job={} cannot be opened again and is aborted: {}", row.id.value.substr(0, 8),
                   row.job_id.value, error.full_text());
        parts_.sessions.change_state(row.id, "open", "aborted");
        OverlayFiles::in(staging_.folder, row.id.value).remove();
    }
}

std::vector<WriteSessionId> WriteSessionService::resume() {
    const auto active = parts_.sessions.list_active();
    remove_orphans(active);
    std::vector<WriteSessionId> committing;
    for (const auto& row : active) {
        if (row.state == "open") {
            reopen(row);
        } else {
            committing.push_back(row.id);
        }
    }
    return committing;
}

// ---- ending

std::vector<Range> WriteSessionService::verify(const WriteSessionId& id, const std::vector<RangeDigest>& expected,
                                               const Progress& progress) const {
    const auto row = parts_.sessions.require(id);
    const auto backend = backend_of(id);
    backend->flush();
    backend->forget_cached();
    AlignedBuffer buffer(read_chunk);
    std::vector<Range> mismatches;
    std::size_t done = 0;
    for (const auto& [range, sha256] : expected) {
        if (range.offset > row.length || range.length > row.length - range.offset) {
            throw Error(ErrorCode::invalid,
                        fmt::format("the range {}+{} reaches beyond the disk", range.offset, range.length));
        }
        Sha256 hash;
        for (Bytes at = range.offset; at < range.end();) {
            if (progress.stop().stop_requested()) {
                throw Error(ErrorCode::cancelled, "stopped while verifying");
            }
            const auto piece = buffer.first(std::min<Bytes>(read_chunk, range.end() - at));
            backend->read(at, piece);
            hash.add(piece);
            at += piece.size();
        }
        if (hash.finish() != sha256) {
            mismatches.push_back(range);
        }
        progress.say("Reading back", 100.0 * static_cast<double>(++done) / static_cast<double>(expected.size()));
    }
    return mismatches;
}

/// Cuts the clients, makes the content complete and records that the commit has begun. Until that record the session is
/// open.
std::shared_ptr<SessionBackend> WriteSessionService::close_for_commit(const WriteSessionRow& row) {
    auto backend = backend_of(row.id);
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
        reopen(row);
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
            ErrorCode::conflict, "the write session " + id.value + " was aborted",
            {.consequence = "What it holds is not a recovery point.", .remedy = "Replicate the machine again."});
    }
    std::shared_ptr<SessionBackend> backend;
    if (row.state == "open") {
        progress.say("Completing the staged changes");
        backend = close_for_commit(row);
    }
    return finish_commit(row, backend, progress);
}

/// The staged changes of a session that is committing are lost: a part of them may be on the volume. The volume is
/// released, so that a full copy can mend it.
void WriteSessionService::give_up(const WriteSessionRow& row, const Error& reason) {
    log::error("session={} job={} volume={} its commit cannot be finished: {}", row.id.value.substr(0, 8),
               row.job_id.value, row.volume_id.value, reason.full_text());
    parts_.volumes.set_digest(row.volume_id, std::nullopt);
    parts_.digests.forget_current(row.volume_id);
    parts_.sessions.change_state(row.id, "committing", "aborted");
    OverlayFiles::in(staging_.folder, row.id.value).remove();
}

Committed WriteSessionService::apply_staged(const WriteSessionRow& row, const BlockDevice& device,
                                            const Progress& progress) {
    const auto files = OverlayFiles::in(staging_.folder, row.id.value);
    parts_.volumes.set_written(row.volume_id);
    DeviceTarget target(device);
    Applied applied;
    try {
        applied = apply_overlay(files, header_of(row), target, progress.stop(),
                                [&](double percent) { progress.say("Applying the changes", percent / 2); });
    } catch (const Error& error) {
        if (error.code() == ErrorCode::corrupt) {
            give_up(row, error);
        }
        throw;
    }
    Committed committed;
    committed.digest =
        parts_.digests.update(row.volume_id, device, applied.touched, progress.stop(),
                              [&](double percent) { progress.say("Reading back for the digest", 50 + percent / 2); });
    committed.bytes = applied.data_bytes;
    parts_.sessions.complete(row, committed.digest);
    files.remove();
    return committed;
}

Committed WriteSessionService::finish_commit(const WriteSessionRow& row, const std::shared_ptr<SessionBackend>& backend,
                                             const Progress& progress) {
    const auto found = device_of(row.volume_id, progress.stop());
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
    log::info("session={} job={} volume={} committed", row.id.value.substr(0, 8), row.job_id.value,
              row.volume_id.value);
    return committed;
}

void WriteSessionService::abort(const WriteSessionId& id, const std::stop_token& stop) {
    const auto lease = parts_.locks.acquire(parts_.sessions.require(id).volume_id.value, lock_limit, stop);
    const auto row = parts_.sessions.require(id);
    const bool is_lost =
        row.state == "committing" && row.is_staged() && !OverlayFiles::in(staging_.folder, id.value).exist();
    if (is_lost) {
        give_up(row, Error(ErrorCode::corrupt, "its staged changes are gone, and it was aborted"));
    } else if (row.state == "committed" || row.state == "committing") {
        throw Error(ErrorCode::conflict,
                    "the write session " + id.value + " is " + row.state + " and cannot be aborted",
                    {.remedy = row.state == "committing" ? "Repeat the commit." : "", .retry_safe = true});
    }
    if (row.state == "open") {
        // Recorded first: a session that is open has its export, whatever fails here.
        parts_.sessions.change_state(id, "open", "aborted");
        drop(id);
    }
    OverlayFiles::in(staging_.folder, id.value).remove();
    log::info("session={} job={} volume={} aborted", id.value.substr(0, 8), row.job_id.value, row.volume_id.value);
}

}  // namespace mk::volumes

#pragma once
// Write sessions that a pass which did not end well leaves open, so that the next one goes on with what arrived in
// them. The note is in the job's metadata before its first session is opened: a process that dies leaves either no
// session or a job that is known to have some. A job with a recovery point keeps nothing: its sessions are committed.

#include <map>
#include <optional>

#include "control/machines/machine.hpp"
#include "control/replication/collaborators.hpp"

namespace mk::replication {

/// To be called before the job's first session is opened, when the next pass may go on with them.
void note_kept(Collaborators& use, const JobId& job, const std::optional<RecoveryPoint>& base);
/// The sessions are not kept any more: committed, or of wrong content and to be aborted.
void forget_kept(Collaborators& use, const JobId& job);
bool keeps_sessions(const Collaborators& use, const JobId& job);

/// Which job of the machine has an open session for which volume, for a pass that builds on `base`. What was kept for
/// too long, or builds on another recovery point, is dropped.
std::map<VolumeId, JobId> sessions_to_resume(Collaborators& use, const VmContextId& vm, const JobId& job,
                                             const std::optional<RecoveryPoint>& base);
/// `job` has opened its sessions, taking over what it could: nothing stays with the jobs before it.
void close_superseded(Collaborators& use, const VmContextId& vm, const JobId& job);

/// True when an earlier pass of the machine keeps something to go on from.
bool has_kept_sessions(const Collaborators& use, const VmContextId& vm);
/// The same for what was kept longer than Pacing::keep_sessions.
bool has_expired_sessions(const Collaborators& use, const VmContextId& vm);

/// Aborts every session that the machine's jobs keep or could not close, and tells the VMA to forget its checkpoint.
/// The VMA need not answer: without the sessions its checkpoint is worth nothing. Each call is repeated for
/// Pacing::clean_up_limit; throws Error when a session could not be closed. Idempotent. The caller holds the machine's
/// gate.
void drop_resumable(Collaborators& use, const VmContextId& vm);

/// Aborts the open sessions of a job. Idempotent.
void abort_open_sessions(Collaborators& use, const JobId& job);
/// Ends the sessions of a recovery point that will not be completed, those in the middle of their commit too: the
/// volumes are torn from then on, and no recovery point of the machine may be used any more. Repeated for
/// Pacing::clean_up_limit. Idempotent.
void give_up_sessions(Collaborators& use, const JobId& job);
/// The pass is committed, or its sessions are dropped. Best effort, said in the job's log.
void forget_checkpoint(Collaborators& use, const VmContextId& vm, const JobId& job);

}  // namespace mk::replication

#pragma once
// One replication job as this appliance sees it: its order, what its engine said last, how it ended. Thread-safe.

#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "appliance/vma/ports.hpp"
#include "appliance/vma/progress_meter.hpp"
#include "base/clock.hpp"
#include "contracts/engine_api.hpp"

namespace mk::vma {

class Job {
  public:
    Job(contracts::PassRequest request, const Clock& clock);
    /// A job of an earlier run of the service.
    Job(contracts::PassProgress finished, const Clock& clock);

    const JobId& id() const { return id_; }
    bool is_finished() const;
    /// Two jobs with the same key would fight for the same machine's snapshots. Empty when finished.
    std::string machine_key() const;
    static std::string machine_key(const contracts::VcenterAccess& access, const std::string& moref);
    contracts::PassProgress progress() const;
    /// As progress(), without the digests: for lists.
    contracts::PassProgress summary() const;

    int attempt() const;
    /// The order as JSON, with the password.
    std::string order() const;
    contracts::VcenterAccess access() const;
    std::string moref() const;
    std::string instance_uuid() const;
    /// Whether its engine keeps a checkpoint: not when it only compares, it must not touch that of a pass.
    bool keeps_checkpoint() const;
    int priority() const;
    /// Bytes per second that it may use on the wire; 0: no limit.
    Bytes limit() const;
    /// Throws Error{conflict} when it has ended.
    void set_limit(Bytes bytes_per_second);
    /// What its engine moved on the wire so far.
    Bytes wire_bytes() const;
    /// True when a snapshot may be at the source: the engine spoke of one, or of anything that comes after
    /// "Connecting". It may be killed between ordering a snapshot and saying so.
    bool may_have_snapshot() const;

    void set_stage(const std::string& stage);
    /// A line of the engine. Throws Error{invalid} when it is none.
    void take_event(const std::string& line);
    /// True when the engine has said how it ended.
    bool has_outcome() const;
    /// The engine ended. `state_when_stopped`: what a cancelled engine means here, "cancelled" or "interrupted"; empty
    /// when nobody asked it to stop. `aftermath` is added to the error of an engine that died. The password is
    /// forgotten.
    void finish(const EngineExit& exit, const std::string& state_when_stopped, const std::string& aftermath);
    void fail(const std::string& state, const Error& error);

    std::stop_source stop;  ///< requested by an operator

  private:
    void handle(const contracts::EngineProgress& event);
    void handle(const contracts::EngineSnapshot& event);
    void handle(const contracts::EngineDigests& event);
    void handle(const contracts::EngineDifferences& event);
    void handle(const contracts::EngineResult& event);
    void handle(const contracts::EngineError& event);
    void end(const std::string& state);

    JobId id_;
    const Clock& clock_;
    mutable std::mutex mutex_;
    contracts::PassRequest request_;
    contracts::PassProgress progress_;
    ProgressMeter meter_;
    bool may_have_snapshot_ = false;
    std::map<DiskId, std::vector<contracts::DigestedRange>> digests_;
    std::map<DiskId, std::vector<Range>> differences_;
    std::optional<contracts::PassResult> result_;
    std::optional<Json> error_;
};

}  // namespace mk::vma

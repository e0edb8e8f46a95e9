#pragma once
// vma-api <-> migratekit-engine, one process per job (decision 1).
//
//   argv    --parent PID --appliance-id ID [--vddk-library-folder FOLDER] [--tunnel-folder FOLDER] [--checkpoint FILE]
//   stdin   one PassRequest as a line of JSON (it carries the password, so it is never an argument or a file), then an
//           EngineCommand per line as long as the engine runs; stdin stays open, its end means nothing
//   stdout  one EngineEvent per line
//   stderr  the log
//
// SIGTERM stops it (snapshot removed first). It exits 0 after a "result" event, 1 after an "error" event.

#include <string>
#include <variant>
#include <vector>

#include "contracts/vma_api.hpp"

namespace mk::contracts {

/// {"type":"progress", ...}: state and rate fields are filled by vma-api.
struct EngineProgress {
    std::string stage;
    std::string sync_type;
    Bytes sent_bytes = 0;
    Bytes zeroed_bytes = 0;
    Bytes wire_bytes = 0;      ///< of this attempt, in both directions; what a limit limits
    std::string bottleneck{};  ///< as in PassProgress
    std::string trouble{};     ///< as in PassProgress
    std::vector<PassDiskProgress> disks{};
};
/// {"type":"snapshot","moref":...,"name":...}: written as soon as it exists, so that it can be removed if the engine
/// dies.
struct EngineSnapshot {
    std::string moref;
    std::string name;
};
/// {"type":"digests","disk_id":...,"digests":[...]}: a part of PassDiskResult::digests, in order, before the "result"
/// event, whose own lists are empty: lines stay short, however large the disk.
struct EngineDigests {
    DiskId disk_id;
    std::vector<DigestedRange> digests;
};
/// {"type":"differences","disk_id":...,"ranges":[[offset,length]...]}: a part of PassDiskResult::differences, likewise.
struct EngineDifferences {
    DiskId disk_id;
    std::vector<Range> ranges;
};
struct EngineResult {
    PassResult result;
};
struct EngineError {
    Json error;
};
using EngineEvent =
    std::variant<EngineProgress, EngineSnapshot, EngineDigests, EngineDifferences, EngineResult, EngineError>;
/// Longest list in one "digests" event, in one "differences" event.
inline constexpr std::size_t digests_per_event = 256;
inline constexpr std::size_t differences_per_event = 1024;

/// {"bytes_per_second":N}: the limit from now on, instead of the order's; 0 = none. May be any number: it is a share.
struct EngineCommand {
    Bytes bytes_per_second = 0;
};
std::string engine_command_line(const EngineCommand& command);
EngineCommand engine_command_from(const std::string& line);

/// One line without newline, and back. Throws Error{invalid} for anything else.
std::string engine_event_line(const EngineEvent& event);
EngineEvent engine_event_from(const std::string& line);

}  // namespace mk::contracts

#pragma once
// What a comparison of the records with reality says: one sentence about one object, and the one action that is
// proposed.

#include <optional>
#include <string>
#include <tuple>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "control/ledger/ledger.hpp"
#include "model/ids.hpp"

namespace mk::reconcile {

enum class Kind {
    orphan,   ///< it exists, is ours, and nobody needs it
    missing,  ///< it is recorded, but was seen absent
    changed,  ///< somebody else changed it
};

enum class Action {
    remove,  ///< the object
    forget,  ///< the record of an object that is gone
    review,  ///< a person decides, and acts elsewhere
};

std::string_view to_string(Kind kind);
Kind kind_from(std::string_view word);
std::string_view to_string(Action action);
Action action_from(std::string_view word);

/// Kinds of objects.
inline constexpr const char* object_machine = "machine";
inline constexpr const char* object_volume = "volume";
inline constexpr const char* object_clone = "volume_clone";
inline constexpr const char* object_root = "default_root";  ///< the root volume that a shell machine was made with
inline constexpr const char* object_snapshot = "volume_snapshot";
inline constexpr const char* object_source_snapshot = "source_snapshot";

struct Observation {
    Kind kind = Kind::orphan;
    ledger::Site site = ledger::Site::target;
    std::string object_kind{};
    /// CloudStack's id; at the source "VCENTER/MACHINE/SNAPSHOT" (uuid and morefs). Where no id was ever learned:
    /// "ledger/ENTRY".
    std::string object_id{};
    std::string object_name{};
    VmContextId vm{};
    bool holds_data = false;  ///< it, or what would be lost with its record, may hold data
    std::string detail{};
    Action action = Action::review;
    std::optional<Instant> created{};  ///< of the object, by the clock of its site

    /// What makes it the same finding in the next run.
    auto key() const { return std::tie(kind, site, object_kind, object_id); }
    /// The object's id must be given to apply it.
    bool needs_confirmation() const { return action != Action::review && holds_data; }
};

struct Finding {
    std::string id;
    Observation what;
    std::int64_t sightings = 0;
    Instant first_seen{};
    Instant last_seen{};
};

/// As a job keeps what it applies.
Json to_json(const Observation& observation);
Observation observation_from(const Json& json);

/// The parts of the id of an object at the source.
struct SourceReference {
    std::string vcenter_uuid;
    std::string machine_moref;
    std::string snapshot_moref;
};
std::string object_id_of(const SourceReference& reference);
/// Empty parts where the id is another kind of id.
SourceReference source_reference_from(const std::string& object_id);

}  // namespace mk::reconcile

#pragma once
// SourceMachine as JSON: the answer of discovery, and what the OMA stores. Unknown fields are ignored, missing ones
// keep their defaults, except identity (name, moref, instance_uuid, disks[].id), which must be there.

#include "base/json.hpp"
#include "model/source_machine.hpp"

namespace mk::contracts {

Json to_json(const Finding& finding);
Finding finding_from(const Json& json);
Json to_json(const SourceMachine& machine);
SourceMachine source_machine_from(const Json& json);

}  // namespace mk::contracts

#pragma once
// From what target/volumes answers to what the contract says. Internal to appliance/volumes.

#include "contracts/volumes_api.hpp"
#include "target/volumes/operation_runner.hpp"
#include "target/volumes/snapshot_service.hpp"
#include "target/volumes/volume_service.hpp"
#include "target/volumes/write_session_service.hpp"

namespace mk::volumes_api {

contracts::Volume to_contract(const volumes::VolumeView& view);
contracts::Snapshot to_contract(const volumes::SnapshotView& view);
contracts::WriteSession to_contract(const volumes::WriteSessionView& view);
contracts::Operation to_contract(const volumes::OperationView& view);
Json to_json(const volumes::DeviceView& view);
contracts::MachineVolume to_contract(const volumes::MachineVolume& volume);
contracts::StagingSpace to_contract(const volumes::StagingState& state);
/// {ranges: [{offset, length, digest}]}. Throws Error{invalid}.
std::vector<volumes::RangeDigest> range_digests_from(const Json& body);

}  // namespace mk::volumes_api

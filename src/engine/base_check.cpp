#include "engine/base_check.hpp"

namespace mk::engine {

namespace {

/// A change id is "<tracking uuid>/<sequence>"; all else in it is opaque.
std::string tracking_uuid(const std::string& change_id) {
    return change_id.substr(0, change_id.rfind('/'));
}

}  // namespace

std::string reason_for_full_copy(const std::optional<Base>& base, const FrozenDisk& frozen) {
    if (!base) {
        return "first copy";
    }
    if (base->change_id.empty()) {
        return "change tracking was not active at the last copy";
    }
    if (frozen.change_id.empty()) {
        return "change tracking is not active for this disk";
    }
    if (base->backing_uuid != frozen.backing_uuid) {
        return "the disk was replaced by another one";
    }
    if (base->capacity != frozen.capacity) {
        return "the disk was resized from " + std::to_string(base->capacity) + " to " +
               std::to_string(frozen.capacity) + " bytes";
    }
    if (tracking_uuid(base->change_id) != tracking_uuid(frozen.change_id)) {
        return "change tracking was reset";
    }
    return {};
}

}  // namespace mk::engine

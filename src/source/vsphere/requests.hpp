#pragma once
// The SOAP calls we make, one function each, as complete envelopes with their elements in schema order (vsphere.md
// section 2). Pure functions.

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/secret.hpp"
#include "source/vsphere/moref.hpp"

namespace mk::vsphere::requests {

/// Properties of every object of `type` (and its subtypes).
struct PropertySet {
    std::string type;
    std::vector<std::string> paths;
};

std::string retrieve_service_content();
std::string login(const Moref& session_manager, const std::string& user, const Secret& password);
std::string logout(const Moref& session_manager);
std::string current_time();

std::string create_container_view(const Moref& view_manager, const Moref& root, const std::vector<std::string>& types);
std::string destroy_view(const Moref& view);
/// Everything that the container view lists, at most `page` objects an answer.
std::string retrieve_view(const Moref& collector, const Moref& view, const std::vector<PropertySet>& sets,
                          unsigned page);
std::string retrieve_objects(const Moref& collector, const std::vector<Moref>& objects,
                             const std::vector<PropertySet>& sets);
std::string continue_retrieve(const Moref& collector, const std::string& token);
std::string cancel_retrieve(const Moref& collector, const std::string& token);

std::string enable_change_tracking(const Moref& vm);
std::string create_snapshot(const Moref& vm, const std::string& name, const std::string& description, bool quiesce);
/// removeChildren is always false: it would delete snapshots of other people.
std::string remove_snapshot(const Moref& snapshot);
std::string consolidate_disks(const Moref& vm);
std::string query_changed_areas(const Moref& vm, const Moref& snapshot, int device_key, Bytes start_offset,
                                const std::string& change_id);

std::string power_on(const Moref& vm);
std::string power_off(const Moref& vm);
std::string shutdown_guest(const Moref& vm);

}  // namespace mk::vsphere::requests

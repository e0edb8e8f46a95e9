#include "source/vsphere/requests.hpp"

#include "source/vsphere/method_writer.hpp"

namespace mk::vsphere::requests {
namespace {

const Moref service_instance{"ServiceInstance", "ServiceInstance"};

void write_property_sets(MethodWriter& writer, const std::vector<PropertySet>& sets) {
    for (const auto& set : sets) {
        writer.open("propSet").text("type", set.type).flag("all", false);
        for (const auto& path : set.paths) {
            writer.text("pathSet", path);
        }
        writer.close();
    }
}

std::string on_vm(std::string_view method, const Moref& vm) {
    return MethodWriter(method, vm).finish();
}

}  // namespace

std::string retrieve_service_content() {
    return MethodWriter("RetrieveServiceContent", service_instance).finish();
}

std::string login(const Moref& session_manager, const std::string& user, const Secret& password) {
    return MethodWriter("Login", session_manager)
        .text("userName", user)
        .text("password", password.reveal())
        .text("locale", "en_US")
        .finish();
}

std::string logout(const Moref& session_manager) {
    return MethodWriter("Logout", session_manager).finish();
}

std::string current_time() {
    return MethodWriter("CurrentTime", service_instance).finish();
}

std::string create_container_view(const Moref& view_manager, const Moref& root, const std::vector<std::string>& types) {
    MethodWriter writer("CreateContainerView", view_manager);
    writer.reference("container", root);
    for (const auto& type : types) {
        writer.text("type", type);
    }
    return writer.flag("recursive", true).finish();
}

std::string destroy_view(const Moref& view) {
    return MethodWriter("DestroyView", view).finish();
}

std::string retrieve_view(const Moref& collector, const Moref& view, const std::vector<PropertySet>& sets,
                          unsigned page) {
    MethodWriter writer("RetrievePropertiesEx", collector);
    writer.open("specSet");
    write_property_sets(writer, sets);
    writer.open("objectSet").reference("obj", view).flag("skip", true);
    // Fields of SelectionSpec (name) come before those of TraversalSpec, which extends it.
    writer.open("selectSet", "TraversalSpec").text("name", "v").text("type", "ContainerView").text("path", "view");
    writer.flag("skip", false).close();
    writer.close().close();
    writer.open("options").number("maxObjects", page).close();
    return writer.finish();
}

std::string retrieve_objects(const Moref& collector, const std::vector<Moref>& objects,
                             const std::vector<PropertySet>& sets) {
    MethodWriter writer("RetrievePropertiesEx", collector);
    writer.open("specSet");
    write_property_sets(writer, sets);
    for (const auto& object : objects) {
        writer.open("objectSet").reference("obj", object).close();
    }
    return writer.close().open("options").close().finish();
}

std::string continue_retrieve(const Moref& collector, const std::string& token) {
    return MethodWriter("ContinueRetrievePropertiesEx", collector).text("token", token).finish();
}

std::string cancel_retrieve(const Moref& collector, const std::string& token) {
    return MethodWriter("CancelRetrievePropertiesEx", collector).text("token", token).finish();
}

std::string enable_change_tracking(const Moref& vm) {
    return MethodWriter("ReconfigVM_Task", vm).open("spec").flag("changeTrackingEnabled", true).close().finish();
}

std::string create_snapshot(const Moref& vm, const std::string& name, const std::string& description, bool quiesce) {
    return MethodWriter("CreateSnapshot_Task", vm)
        .text("name", name)
        .text("description", description)
        .flag("memory", false)
        .flag("quiesce", quiesce)
        .finish();
}

std::string remove_snapshot(const Moref& snapshot) {
    return MethodWriter("RemoveSnapshot_Task", snapshot)
        .flag("removeChildren", false)
        .flag("consolidate", true)
        .finish();
}

std::string consolidate_disks(const Moref& vm) {
    return on_vm("ConsolidateVMDisks_Task", vm);
}

std::string query_changed_areas(const Moref& vm, const Moref& snapshot, int device_key, Bytes start_offset,
                                const std::string& change_id) {
    return MethodWriter("QueryChangedDiskAreas", vm)
        .reference("snapshot", snapshot)
        .text("deviceKey", std::to_string(device_key))
        .number("startOffset", start_offset)
        .text("changeId", change_id)
        .finish();
}

std::string power_on(const Moref& vm) {
    return on_vm("PowerOnVM_Task", vm);
}
std::string power_off(const Moref& vm) {
    return on_vm("PowerOffVM_Task", vm);
}
std::string shutdown_guest(const Moref& vm) {
    return on_vm("ShutdownGuest", vm);
}

}  // namespace mk::vsphere::requests

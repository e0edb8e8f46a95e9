#pragma once
// RetrievePropertiesEx with its paging, and container views. Views and tokens die with a session: when it was renewed
// in the middle, the whole retrieval starts again. Thread-safe as the Session is.

#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "source/vsphere/requests.hpp"
#include "source/vsphere/session.hpp"

namespace mk::vsphere {

/// What an object answered. Paths may be missing: disconnected machines lack most of them.
struct ObjectProperties {
    Moref object;
    std::map<std::string, Node, std::less<>> values;
    std::map<std::string, Fault, std::less<>> missing;
    std::shared_ptr<const pugi::xml_document> document;  ///< owns the nodes

    Node get(std::string_view path) const;
    std::string text(std::string_view path) const { return get(path).text(); }
};

/// Objects a page; config.hardware.device is some 10 KB per machine.
inline constexpr unsigned objects_per_page = 100;

/// Everything below the root folder of the types named in `sets`.
std::vector<ObjectProperties> read_inventory(Session& session, const std::vector<std::string>& view_types,
                                             const std::vector<requests::PropertySet>& sets,
                                             const std::stop_token& stop);

/// Throws Error{not_found, "ManagedObjectNotFound"} when the object is gone.
ObjectProperties read_object(Session& session, const Moref& object, const std::vector<std::string>& paths,
                             const std::stop_token& stop);

}  // namespace mk::vsphere

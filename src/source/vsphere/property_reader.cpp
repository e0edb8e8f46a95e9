#include "source/vsphere/property_reader.hpp"

#include "base/log.hpp"

namespace mk::vsphere {
namespace {

// More renewals than this within one retrieval mean that sessions do not live long enough to read the inventory.
constexpr int most_restarts = 3;

ObjectProperties read_properties(const Node& content, const std::shared_ptr<const pugi::xml_document>& document) {
    ObjectProperties object;
    object.object = content.reference("obj");
    object.document = document;
    for (const auto& property : content.children("propSet")) {
        object.values.emplace(property.text("name"), property.at("val"));
    }
    for (const auto& missing : content.children("missingSet")) {
        object.missing.emplace(missing.text("path"),
                               read_fault(missing.at("fault.fault"), missing.text("fault.localizedMessage")));
    }
    return object;
}

void append_objects(const Reply& reply, std::vector<ObjectProperties>& objects) {
    for (const auto& content : reply.result().children("objects")) {
        objects.push_back(read_properties(content, reply.document));
    }
}

/// A view that is destroyed when the reading ends, well or not.
class View {
  public:
    View(Session& session, const std::vector<std::string>& types, const std::stop_token& stop) : session_(session) {
        const auto& content = session.content();
        view_ = session
                    .call({"opening an inventory view",
                           requests::create_container_view(content.view_manager, content.root_folder, types)},
                          stop)
                    .result()
                    .reference();
    }
    ~View() {
        try {
            static_cast<void>(session_.try_call({"closing a view", requests::destroy_view(view_), false}, {}));
        } catch (const std::exception& problem) {
            log::debug("a view could not be closed: {}", problem.what());
        }
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    const Moref& reference() const { return view_; }

  private:
    Session& session_;
    Moref view_;
};

std::vector<ObjectProperties> read_once(Session& session, const std::vector<std::string>& types,
                                        const std::vector<requests::PropertySet>& sets, const std::stop_token& stop) {
    const View view(session, types, stop);
    const auto& collector = session.content().property_collector;
    std::vector<ObjectProperties> objects;
    auto reply = session.call(
        {"reading the inventory", requests::retrieve_view(collector, view.reference(), sets, objects_per_page)}, stop);
    append_objects(reply, objects);
    // A token works once: the call is not idempotent, a lost answer restarts the retrieval.
    for (auto token = reply.result().text("token"); !token.empty(); token = reply.result().text("token")) {
        reply = session.call({"reading the inventory", requests::continue_retrieve(collector, token), false}, stop);
        append_objects(reply, objects);
    }
    return objects;
}

bool is_worth_a_restart(const Error& error) {
    const auto handling = handling_of(error);
    return handling == FaultHandling::log_in_again || handling == FaultHandling::collect_again || error.retryable();
}

}  // namespace

Node ObjectProperties::get(std::string_view path) const {
    const auto found = values.find(path);
    return found == values.end() ? Node{} : found->second;
}

std::vector<ObjectProperties> read_inventory(Session& session, const std::vector<std::string>& view_types,
                                             const std::vector<requests::PropertySet>& sets,
                                             const std::stop_token& stop) {
    for (int attempt = 1;; ++attempt) {
        const auto generation = session.generation();
        try {
            return read_once(session, view_types, sets, stop);
        } catch (const Error& error) {
            const bool is_session_new = session.generation() != generation;
            if (attempt > most_restarts || !(is_session_new || is_worth_a_restart(error))) {
                throw;
            }
            log::info("reading the inventory starts again: {}", error.cause());
        }
    }
}

ObjectProperties read_object(Session& session, const Moref& object, const std::vector<std::string>& paths,
                             const std::stop_token& stop) {
    const auto reply = session.call(
        {"reading " + object.type + " " + object.id,
         requests::retrieve_objects(session.content().property_collector, {object}, {{object.type, paths}})},
        stop);
    std::vector<ObjectProperties> objects;
    append_objects(reply, objects);
    if (objects.empty()) {
        throw Error(ErrorCode::not_found, object.type + " " + object.id + " does not exist")
            .with_native("ManagedObjectNotFound");
    }
    return std::move(objects.front());
}

}  // namespace mk::vsphere

#include "source/vsphere/reply.hpp"

#include <charconv>

#include "base/error.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view schema_instance = "http://www.w3.org/2001/XMLSchema-instance";

std::string_view local_name(std::string_view qualified) {
    const auto colon = qualified.rfind(':');
    return colon == std::string_view::npos ? qualified : qualified.substr(colon + 1);
}

/// The namespace that `prefix` means at `node`.
std::string_view namespace_of(pugi::xml_node node, std::string_view prefix) {
    const std::string declaration = "xmlns:" + std::string(prefix);
    for (; node; node = node.parent()) {
        if (const auto attribute = node.attribute(declaration.c_str())) {
            return attribute.value();
        }
    }
    return {};
}

pugi::xml_node child_of(pugi::xml_node node, std::string_view name) {
    for (const auto child : node.children()) {
        if (child.type() == pugi::node_element && local_name(child.name()) == name) {
            return child;
        }
    }
    return {};
}

std::string without_suffix(std::string_view text, std::string_view suffix) {
    if (text.size() > suffix.size() && text.ends_with(suffix)) {
        text.remove_suffix(suffix.size());
    }
    return std::string(text);
}

}  // namespace

std::string_view Node::name() const {
    return local_name(node_.name());
}

Node Node::at(std::string_view path) const {
    auto node = node_;
    while (!path.empty() && node) {
        const auto dot = path.find('.');
        node = child_of(node, path.substr(0, dot));
        path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    }
    return Node(node);
}

std::vector<Node> Node::children(std::string_view name) const {
    std::vector<Node> found;
    for (const auto child : node_.children()) {
        if (child.type() == pugi::node_element && (name.empty() || local_name(child.name()) == name)) {
            found.emplace_back(child);
        }
    }
    return found;
}

std::optional<std::int64_t> Node::number(std::string_view path) const {
    const auto text = at(path).text();
    std::int64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

bool Node::flag(std::string_view path) const {
    const auto text = at(path).text();
    return text == "true" || text == "1";
}

std::string Node::xsi_type() const {
    for (const auto attribute : node_.attributes()) {
        const std::string_view name = attribute.name();
        const auto colon = name.rfind(':');
        if (colon != std::string_view::npos && name.substr(colon + 1) == "type" &&
            namespace_of(node_, name.substr(0, colon)) == schema_instance) {
            return std::string(local_name(attribute.value()));
        }
    }
    return {};
}

Moref Node::reference() const {
    return {node_.attribute("type").value(), text()};
}

Fault read_fault(const Node& fault, const std::string& message) {
    Fault result;
    result.type = fault.xsi_type();
    if (result.type.empty()) {
        result.type = without_suffix(fault.name(), "Fault");
    }
    result.message = message;
    result.object = fault.at("obj") ? fault.reference("obj") : fault.reference("object");
    result.privilege = fault.text("privilegeId");
    result.invalid_property = fault.at("invalidProperty") ? fault.text("invalidProperty") : fault.text("name");
    result.task = fault.reference("task");
    return result;
}

Answer parse_answer(const std::string& text) {
    Answer answer;
    auto document = std::make_shared<pugi::xml_document>();
    const auto parsed = document->load_buffer(text.data(), text.size());
    const auto body = Node(*document).at("Envelope.Body");
    const auto content = body.children();
    if (!parsed || !body || content.empty()) {
        throw Error(ErrorCode::external, "vCenter's answer is not a SOAP message",
                    {.remedy = "Check that the address leads to a vCenter or ESXi host and not to a proxy.",
                     .retry_safe = true});
    }
    if (content.front().name() == "Fault") {
        const auto& fault = content.front();
        const auto details = fault.at("detail").children();
        const auto message = fault.text("faultstring");
        if (details.empty()) {
            answer.fault = Fault{.type = "SoapFault",
                                 .message = message,
                                 .object = {},
                                 .privilege = {},
                                 .invalid_property = {},
                                 .task = {}};
        } else {
            answer.fault = read_fault(details.front(), message);
        }
    }
    answer.reply.document = std::move(document);
    answer.reply.response = content.front();
    return answer;
}

}  // namespace mk::vsphere

#pragma once
// Reading answers: elements by local name, xsi:type by namespace (its prefix varies between servers), faults by type.
// A Node points into the document that its Reply owns. Pure, one thread.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pugixml.hpp>

#include "base/bytes.hpp"
#include "source/vsphere/faults.hpp"
#include "source/vsphere/moref.hpp"

namespace mk::vsphere {

class Node {
  public:
    Node() = default;
    explicit Node(pugi::xml_node node) : node_(node) {}

    explicit operator bool() const { return !node_.empty(); }
    std::string_view name() const;  ///< without prefix
    /// "a.b.c": the first child of each name; an empty Node when one is missing.
    Node at(std::string_view path) const;
    std::vector<Node> children(std::string_view name = {}) const;
    std::string text() const { return node_.text().get(); }
    std::string text(std::string_view path) const { return at(path).text(); }
    /// Nothing when absent or not a whole number.
    std::optional<std::int64_t> number(std::string_view path = {}) const;
    bool flag(std::string_view path = {}) const;
    /// The value of the attribute "type" of the XML Schema instance namespace, without prefix; empty when there is
    /// none.
    std::string xsi_type() const;
    Moref reference() const;
    Moref reference(std::string_view path) const { return at(path).reference(); }

  private:
    pugi::xml_node node_;
};

struct Reply {
    std::shared_ptr<const pugi::xml_document> document;
    Node response;  ///< <MethodResponse>

    Node result() const { return response.at("returnval"); }
    std::vector<Node> results() const { return response.children("returnval"); }
};

/// An answer with SOAP in it: either a reply or a fault.
struct Answer {
    Reply reply;
    std::optional<Fault> fault;
};

/// Throws Error{external} when the text is not a SOAP envelope.
Answer parse_answer(const std::string& text);

/// `fault` carries xsi:type and fields: the element below <detail>, or info.error.fault of a task.
Fault read_fault(const Node& fault, const std::string& message);

}  // namespace mk::vsphere

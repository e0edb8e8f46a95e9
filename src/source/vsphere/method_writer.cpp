#include "source/vsphere/method_writer.hpp"

#include "base/error.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view envelope_start =
    R"(<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" )"
    R"(xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Body>)";
constexpr std::string_view envelope_end = "</Body></Envelope>";

void append_escaped(std::string& xml, std::string_view value) {
    for (const char c : value) {
        switch (c) {
            case '&':
                xml += "&amp;";
                break;
            case '<':
                xml += "&lt;";
                break;
            case '>':
                xml += "&gt;";
                break;
            case '"':
                xml += "&quot;";
                break;
            case '\r':
                xml += "&#13;";
                break;
            case '\n':
            case '\t':
                xml += c;
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20U) {
                    throw Error(ErrorCode::invalid, "a text for vCenter contains a control character");
                }
                xml += c;
        }
    }
}

}  // namespace

MethodWriter::MethodWriter(std::string_view method, const Moref& self) : xml_(envelope_start) {
    xml_ += '<';
    xml_ += method;
    xml_ += R"( xmlns="urn:vim25">)";
    open_.emplace_back(method);
    reference("_this", self);
}

MethodWriter& MethodWriter::open(std::string_view element, std::string_view xsi_type) {
    xml_ += '<';
    xml_ += element;
    if (!xsi_type.empty()) {
        xml_ += R"( xsi:type=")";
        xml_ += xsi_type;
        xml_ += '"';
    }
    xml_ += '>';
    open_.emplace_back(element);
    return *this;
}

MethodWriter& MethodWriter::close() {
    xml_ += "</" + open_.back() + '>';
    open_.pop_back();
    return *this;
}

MethodWriter& MethodWriter::text(std::string_view element, std::string_view value) {
    open(element);
    append_escaped(xml_, value);
    return close();
}

MethodWriter& MethodWriter::flag(std::string_view element, bool value) {
    return text(element, value ? "true" : "false");
}

MethodWriter& MethodWriter::number(std::string_view element, std::uint64_t value) {
    return text(element, std::to_string(value));
}

MethodWriter& MethodWriter::reference(std::string_view element, const Moref& value) {
    xml_ += '<';
    xml_ += element;
    xml_ += R"( type=")";
    append_escaped(xml_, value.type);
    xml_ += R"(">)";
    append_escaped(xml_, value.id);
    xml_ += "</";
    xml_ += element;
    xml_ += '>';
    return *this;
}

std::string MethodWriter::finish() {
    while (!open_.empty()) {
        close();
    }
    xml_ += envelope_end;
    return std::move(xml_);
}

}  // namespace mk::vsphere

#pragma once
// The API version that goes into the SOAPAction header, chosen from vimServiceVersions.xml (vsphere.md section 1).
// Pure.

#include <string>

namespace mk::vsphere {

/// The highest listed version of urn:vim25 that is not newer than what we test with, otherwise the lowest listed.
/// Throws Error{external} when the document lists none.
std::string choose_api_version(const std::string& versions_xml);

}  // namespace mk::vsphere

#pragma once
// Writes the body of one SOAP call. Every complex type of the API is an xs:sequence, so elements leave in exactly the
// order in which they are written: callers follow the fixed field lists of vsphere.md section 2, never maps. Pure, one
// thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "source/vsphere/moref.hpp"

namespace mk::vsphere {

class MethodWriter {
  public:
    /// <method xmlns="urn:vim25"><_this type=...>.
    MethodWriter(std::string_view method, const Moref& self);

    MethodWriter& open(std::string_view element, std::string_view xsi_type = {});
    MethodWriter& close();
    /// Throws Error{invalid} for characters that XML cannot carry (the value is not repeated: it may be a password).
    MethodWriter& text(std::string_view element, std::string_view value);
    MethodWriter& flag(std::string_view element, bool value);
    MethodWriter& number(std::string_view element, std::uint64_t value);
    MethodWriter& reference(std::string_view element, const Moref& value);
    /// The whole envelope. The writer is used up.
    std::string finish();

  private:
    std::string xml_;
    std::vector<std::string> open_;
};

}  // namespace mk::vsphere

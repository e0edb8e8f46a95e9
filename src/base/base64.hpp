#pragma once
// RFC 4648 base64 with padding.

#include <string>
#include <string_view>

namespace mk {

std::string base64_encode(std::string_view bytes);
/// Throws Error{invalid} for anything that is not base64.
std::string base64_decode(std::string_view text);

}  // namespace mk

#pragma once
// May a disk be copied incrementally? (inventory B11, vsphere.md section 5.) Pure computation; the last word has the
// query itself.

#include <optional>
#include <string>

#include "engine/pass.hpp"

namespace mk::engine {

/// Empty when the base fits the frozen disk. Otherwise why everything must be copied, for the operator.
std::string reason_for_full_copy(const std::optional<Base>& base, const FrozenDisk& frozen);

}  // namespace mk::engine

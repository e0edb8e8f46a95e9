#pragma once
// Whether the programs are there. What only Windows guests need is told by the inspection (findings.hpp).

#include "target/guest/tools.hpp"

namespace mk::guest {

/// Both throw Error{unavailable} naming what to install.
void require_converter(const Tools& tools);
void require_inspector(const Tools& tools);

}  // namespace mk::guest

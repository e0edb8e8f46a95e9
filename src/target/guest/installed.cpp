#include "target/guest/installed.hpp"

#include "base/error.hpp"
#include "os/process.hpp"

namespace mk::guest {

namespace {

void require(const std::string& program, const std::string& remedy) {
    if (!os::is_installed(program)) {
        throw Error(ErrorCode::unavailable, program + " is not installed on the appliance",
                    {.consequence = "Nothing was changed.", .remedy = remedy, .retry_safe = true});
    }
}

}  // namespace

void require_converter(const Tools& tools) {
    require(tools.program, "Install it: apt-get install virt-v2v");
}

void require_inspector(const Tools& tools) {
    require(tools.inspector, "It belongs beside oma-api: install it there or set guest.inspector.");
}

}  // namespace mk::guest

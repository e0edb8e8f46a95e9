#pragma once
// Managed object reference: the class and an opaque id, unique only inside one vCenter (vsphere.md section 1).

#include <compare>
#include <string>

namespace mk::vsphere {

struct Moref {
    std::string type{};
    std::string id{};

    explicit operator bool() const { return !id.empty(); }
    auto operator<=>(const Moref&) const = default;
};

inline Moref vm_reference(std::string id) {
    return {"VirtualMachine", std::move(id)};
}

}  // namespace mk::vsphere

#pragma once
// Power operations. The state is read again after every refusal and at the end: the state counts, never the answer of a
// call.

#include <stop_token>
#include <string>

#include "source/vsphere/session.hpp"
#include "source/vsphere/vsphere.hpp"

namespace mk::vsphere {

PowerInfo read_power(Session& session, const Moref& vm, const std::stop_token& stop);
void power_on(Session& session, const Moref& vm, const std::stop_token& stop);
void power_off(Session& session, const Moref& vm, const std::stop_token& stop);
void shut_down_guest(Session& session, const Moref& vm, const std::stop_token& stop);

}  // namespace mk::vsphere

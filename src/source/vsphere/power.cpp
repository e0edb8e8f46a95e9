#include "source/vsphere/power.hpp"

#include "base/log.hpp"
#include "source/vsphere/property_reader.hpp"
#include "source/vsphere/requests.hpp"
#include "source/vsphere/tasks.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view powered_on = "poweredOn";
constexpr std::string_view powered_off = "poweredOff";
// Refusals with the state found different each time; more means that somebody else switches against us.
constexpr int state_attempts = 4;

struct Change {
    std::string operation;
    std::string envelope;
    std::string_view wanted;
};

bool is_worth_another_look(const Error& error) {
    const auto handling = handling_of(error);
    return handling == FaultHandling::read_state_again || handling == FaultHandling::log_in_again ||
           handling == FaultHandling::wait_and_retry;
}

void change_once(Session& session, const Change& change, const std::stop_token& stop) {
    const auto task = session.call({change.operation, change.envelope, false}, stop).result().reference();
    static_cast<void>(wait_for_task(session, task, change.operation, stop));
}

void reach(Session& session, const Moref& vm, const Change& change, const std::stop_token& stop) {
    for (int attempt = 1; read_power(session, vm, stop).power_state != change.wanted; ++attempt) {
        if (attempt > state_attempts) {
            throw Error(ErrorCode::conflict,
                        change.operation + ": the machine does not stay " + std::string(change.wanted),
                        {.remedy = "Look who else switches it in vCenter.", .retry_safe = true});
        }
        try {
            retry_while_busy(session, vm, change.operation, stop, [&] {
                if (read_power(session, vm, stop).power_state != change.wanted) {
                    change_once(session, change, stop);
                }
            });
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled || !is_worth_another_look(error) || attempt == state_attempts) {
                throw;
            }
            log::info("vm={} {}; looking at its state again", vm.id, error.cause());
            wait_for_running_tasks(session, vm, stop);
        }
    }
}

}  // namespace

PowerInfo read_power(Session& session, const Moref& vm, const std::stop_token& stop) {
    const auto machine = read_object(session, vm, {"runtime.powerState", "guest.toolsRunningStatus"}, stop);
    return {machine.text("runtime.powerState"), machine.text("guest.toolsRunningStatus") == "guestToolsRunning"};
}

void power_on(Session& session, const Moref& vm, const std::stop_token& stop) {
    reach(session, vm, {"powering on", requests::power_on(vm), powered_on}, stop);
}

void power_off(Session& session, const Moref& vm, const std::stop_token& stop) {
    reach(session, vm, {"powering off", requests::power_off(vm), powered_off}, stop);
}

void shut_down_guest(Session& session, const Moref& vm, const std::stop_token& stop) {
    if (read_power(session, vm, stop).power_state == powered_off) {
        return;
    }
    try {
        // Asking twice is harmless: the guest is already on its way down.
        static_cast<void>(session.call({"shutting down the guest", requests::shutdown_guest(vm)}, stop));
    } catch (const Error& error) {
        if (handling_of(error) != FaultHandling::read_state_again ||
            read_power(session, vm, stop).power_state != powered_off) {
            throw;
        }
    }
}

}  // namespace mk::vsphere

#include "source/vsphere/tasks.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/retry.hpp"
#include "source/vsphere/property_reader.hpp"

namespace mk::vsphere {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Error stopped(const std::string& operation) {
    return Error(ErrorCode::cancelled, operation + " was stopped");
}

void pause_or_throw(milliseconds duration, const std::stop_token& stop, const std::string& operation) {
    if (!pause(duration, stop)) {
        throw stopped(operation);
    }
}

bool is_gone(const Error& error) {
    return error.native() == "ManagedObjectNotFound";
}

/// Nothing while the task goes on.
std::optional<TaskEnd> look_at_task(Session& session, const Moref& task, const std::string& operation,
                                    const std::stop_token& stop) {
    const auto info = read_object(session, task, {"info.state", "info.error", "info.result"}, stop);
    const auto state = info.text("info.state");
    if (state == "success") {
        return TaskEnd{.vanished = false, .result = info.get("info.result").reference()};
    }
    if (state == "error") {
        const auto error = info.get("info.error");
        throw to_error(read_fault(error.at("fault"), error.text("localizedMessage")), operation);
    }
    return std::nullopt;
}

}  // namespace

TaskEnd wait_for_task(Session& session, const Moref& task, const std::string& operation, const std::stop_token& stop) {
    const auto& pacing = session.pacing();
    auto wait = pacing.task_first;
    auto last_contact = steady_clock::now();
    while (true) {
        try {
            if (auto end = look_at_task(session, task, operation, stop)) {
                return *end;
            }
            last_contact = steady_clock::now();
        } catch (const Error& error) {
            if (is_gone(error)) {
                return TaskEnd{.vanished = true};
            }
            // A fault of the task itself has its SOAP type; only a lost contact to vCenter is waited out here.
            const bool is_contact_lost = error.retryable() && rule_for(error.native()).type.empty();
            if (!is_contact_lost || steady_clock::now() - last_contact > pacing.out_of_contact) {
                throw;
            }
            log::warn("task={} {}", task.id, error.cause());
        }
        pause_or_throw(wait, stop, operation);
        wait = std::min(wait * 3 / 2, pacing.task_longest);
    }
}

void wait_for_running_tasks(Session& session, const Moref& vm, const std::stop_token& stop) {
    const auto machine = read_object(session, vm, {"recentTask"}, stop);
    for (const auto& entry : machine.get("recentTask").children()) {
        try {
            static_cast<void>(
                wait_for_task(session, entry.reference(), "waiting for another task of the machine", stop));
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            log::debug("vm={} a task of somebody ended: {}", vm.id, error.cause());
        }
    }
}

void retry_while_busy(Session& session, const Moref& vm, const std::string& operation, const std::stop_token& stop,
                      const std::function<void()>& attempt) {
    const auto& pacing = session.pacing();
    auto wait = pacing.busy_first;
    for (int left = pacing.busy_attempts;; --left) {
        try {
            return attempt();
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled || handling_of(error) != FaultHandling::wait_and_retry ||
                left <= 1) {
                throw;
            }
            log::info("vm={} {}; trying again", vm.id, error.cause());
        }
        wait_for_running_tasks(session, vm, stop);
        pause_or_throw(wait, stop, operation);
        wait = std::min(wait * 2, pacing.busy_longest);
    }
}

TaskEnd run_task(Session& session, const Moref& vm, const std::string& operation, const std::string& envelope,
                 const std::stop_token& stop) {
    TaskEnd end;
    retry_while_busy(session, vm, operation, stop, [&] {
        const auto task = session.call({operation, envelope}, stop).result().reference();
        end = wait_for_task(session, task, operation, stop);
    });
    return end;
}

}  // namespace mk::vsphere

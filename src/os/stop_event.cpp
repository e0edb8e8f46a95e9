#include "os/stop_event.hpp"

#include <cerrno>

#include <sys/eventfd.h>

namespace mk::os {
namespace {

Descriptor make_event() {
    Descriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) {
        throw system_error("make an event", errno);
    }
    return event;
}

}  // namespace

StopEvent::StopEvent(const std::stop_token& stop)
    : event_(make_event()), callback_(stop, [this] { ::eventfd_write(event_.get(), 1); }) {}

}  // namespace mk::os

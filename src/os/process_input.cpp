#include "os/process_input.hpp"

#include <cerrno>

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "os/process_input_queue.hpp"

namespace mk::os {

namespace {

/// A child that leaves this much unread hangs or does not read at all.
constexpr std::size_t most_unread = 1 * MiB;

}  // namespace

InputQueue::InputQueue() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_) {
        throw system_error("open an event descriptor", errno);
    }
}

void InputQueue::connect(Descriptor socket, std::string first) {
    const std::lock_guard lock(mutex_);
    socket_ = std::move(socket);
    unread_ = std::move(first);
}

bool InputQueue::add(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    if (!socket_ || is_ended_ || unread_.size() + bytes.size() > most_unread) {
        return false;
    }
    unread_ += bytes;
    poke();
    return true;
}

void InputQueue::end() {
    const std::lock_guard lock(mutex_);
    is_ended_ = true;
    poke();
}

void InputQueue::poke() const {
    ::eventfd_write(wake_.get(), 1);
}

void InputQueue::acknowledge() const {
    eventfd_t count = 0;
    ::eventfd_read(wake_.get(), &count);
}

int InputQueue::descriptor_to_poll() const {
    const std::lock_guard lock(mutex_);
    return unread_.empty() && !is_ended_ ? -1 : socket_.get();
}

void InputQueue::pump() {
    const std::lock_guard lock(mutex_);
    while (socket_ && !unread_.empty()) {
        const ssize_t sent = ::send(socket_.get(), unread_.data(), unread_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        if (sent < 0) {  // EPIPE: it closed its stdin or ended
            close_locked();
            return;
        }
        unread_.erase(0, static_cast<std::size_t>(sent));
    }
    if (is_ended_) {
        close_locked();
    }
}

void InputQueue::drop() {
    const std::lock_guard lock(mutex_);
    close_locked();
}

void InputQueue::close_locked() {
    socket_.close();
    unread_.clear();
}

bool ProcessInput::write_line(const std::string& line) {
    if (line.find('\n') != std::string::npos) {
        throw Error(ErrorCode::internal, "a line for a program's stdin contains a newline");
    }
    return queue_->add(line + "\n");
}

void ProcessInput::close() {
    queue_->end();
}

}  // namespace mk::os

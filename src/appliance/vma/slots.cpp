#include "appliance/vma/slots.hpp"

#include <algorithm>

namespace mk::vma {

Slots::Lease::~Lease() {
    if (slots_ != nullptr) {
        const std::lock_guard lock(slots_->mutex_);
        ++slots_->free_;
        slots_->changed_.notify_all();
    }
}

std::size_t Slots::place_of(std::uint64_t ticket) const {
    const auto at = std::find(queue_.begin(), queue_.end(), ticket);
    return static_cast<std::size_t>(std::distance(queue_.begin(), at)) + 1;
}

Slots::Lease Slots::take(const std::function<void(std::size_t)>& on_place, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = next_ticket_++;
    queue_.push_back(ticket);
    std::size_t told = 0;
    const auto is_turn = [&] { return free_ > 0 && queue_.front() == ticket; };
    while (!is_turn() && !stop.stop_requested()) {
        const std::size_t place = place_of(ticket);
        if (place == told) {
            changed_.wait(lock, stop, [&] { return is_turn() || place_of(ticket) != told; });
            continue;
        }
        told = place;
        lock.unlock();
        on_place(place);
        lock.lock();
    }
    const bool is_taken = is_turn() && !stop.stop_requested();
    free_ -= is_taken ? 1 : 0;
    queue_.remove(ticket);
    changed_.notify_all();
    return Lease(is_taken ? this : nullptr);
}

}  // namespace mk::vma

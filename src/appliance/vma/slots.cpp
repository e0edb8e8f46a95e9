#include "appliance/vma/slots.hpp"

#include <iterator>

namespace mk::vma {

Slots::Lease::~Lease() {
    if (slots_ != nullptr) {
        const std::lock_guard lock(slots_->mutex_);
        ++slots_->free_;
        slots_->changed_.notify_all();
    }
}

Slots::Place Slots::place_of(const Ticket& ticket) const {
    const auto before = std::distance(queue_.begin(), queue_.find(ticket));
    return {.number = static_cast<std::size_t>(before) + 1, .waiting = queue_.size()};
}

Slots::Lease Slots::take(int priority, const std::function<void(const Place&)>& on_place, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const Ticket ticket{.order = -priority, .number = next_number_++};
    queue_.insert(ticket);
    changed_.notify_all();  // the places of others have changed
    Place told;
    const auto is_turn = [&] { return free_ > 0 && *queue_.begin() == ticket; };
    while (!is_turn() && !stop.stop_requested()) {
        const Place place = place_of(ticket);
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
    queue_.erase(ticket);
    changed_.notify_all();
    return Lease(is_taken ? this : nullptr);
}

}  // namespace mk::vma

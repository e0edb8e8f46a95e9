#pragma once
// How many engines run at once: higher priority first, within a priority first come, first served. Thread-safe.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <stop_token>

namespace mk::vma {

class Slots {
  public:
    explicit Slots(std::size_t count) : free_(count) {}

    /// Gives the slot back when it goes.
    class Lease {
      public:
        explicit Lease(Slots* slots) : slots_(slots) {}
        Lease(Lease&& other) noexcept : slots_(other.slots_) { other.slots_ = nullptr; }
        Lease& operator=(Lease&&) = delete;
        ~Lease();
        explicit operator bool() const { return slots_ != nullptr; }

      private:
        Slots* slots_;
    };

    /// Where somebody waits: `number` 1 is next; `waiting` is how many wait.
    struct Place {
        std::size_t number = 0;
        std::size_t waiting = 0;
        bool operator==(const Place&) const = default;
    };

    /// Waits for its turn; `on_place` hears the place in the queue at first and when it changes. An empty lease when
    /// stopped.
    Lease take(int priority, const std::function<void(const Place&)>& on_place, const std::stop_token& stop);

  private:
    /// Sorts by turn.
    struct Ticket {
        int order = 0;  ///< the negative priority
        std::uint64_t number = 0;
        auto operator<=>(const Ticket&) const = default;
    };

    Place place_of(const Ticket& ticket) const;

    std::mutex mutex_;  ///< protects what follows
    std::condition_variable_any changed_;
    std::size_t free_;
    std::uint64_t next_number_ = 0;
    std::set<Ticket> queue_;
};

}  // namespace mk::vma

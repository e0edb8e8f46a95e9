#pragma once
// How many engines run at once: first come, first served. Thread-safe.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
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

    /// Waits for its turn; `on_place` hears the place in the queue (1 = next) at first and when it changes. An empty
    /// lease when stopped.
    Lease take(const std::function<void(std::size_t place)>& on_place, const std::stop_token& stop);

  private:
    std::size_t place_of(std::uint64_t ticket) const;

    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::size_t free_;
    std::uint64_t next_ticket_ = 0;
    std::list<std::uint64_t> queue_;
};

}  // namespace mk::vma

#include "appliance/vma/slots.hpp"

#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using mk::vma::Slots;

namespace {

/// Somebody who waits for a slot, and what is heard of it.
class Waiter {
  public:
    Waiter(Slots& slots, int priority, std::string name, std::vector<std::string>& log, std::mutex& log_mutex)
        : thread_([this, &slots, priority, name, &log, &log_mutex](const std::stop_token& stop) {
              const auto lease = slots.take(priority, [this](const Slots::Place& place) { hear(place); }, stop);
              const std::lock_guard lock(log_mutex);
              log.push_back(lease ? name : name + " gave up");
          }) {}
    /// Until it was told this place.
    void await(const Slots::Place& place) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(heard_.wait_for(lock, std::chrono::seconds{20}, [&] { return place_ == place; }))
            << place_.number << " of " << place_.waiting;
    }
    void stop() { thread_.request_stop(); }
    void join() { thread_.join(); }

  private:
    void hear(const Slots::Place& place) {
        const std::lock_guard lock(mutex_);
        place_ = place;
        heard_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable heard_;
    Slots::Place place_;
    std::jthread thread_;
};

}  // namespace

TEST(Slots, HigherPriorityFirstAndWithinAPriorityFirstComeFirstServed) {
    Slots slots(1);
    std::vector<std::string> log;
    std::mutex log_mutex;
    auto taken = std::make_unique<Slots::Lease>(slots.take(0, [](const Slots::Place&) { FAIL(); }, {}));
    Waiter low(slots, -10, "low", log, log_mutex);
    low.await({1, 1});
    Waiter first(slots, 0, "first", log, log_mutex);
    first.await({1, 2});
    Waiter second(slots, 0, "second", log, log_mutex);
    second.await({2, 3});
    Waiter quits(slots, 0, "quits", log, log_mutex);
    quits.await({3, 4});
    Waiter high(slots, 10, "high", log, log_mutex);
    high.await({1, 5});
    first.await({2, 5});
    low.await({5, 5});
    quits.stop();
    quits.join();
    low.await({4, 4});
    taken.reset();
    for (Waiter* waiter : {&high, &first, &second, &low}) {
        waiter->join();
    }
    EXPECT_EQ(log, (std::vector<std::string>{"quits gave up", "high", "first", "second", "low"}));
}

TEST(Slots, AsManyAtOnceAsThereAre) {
    Slots slots(2);
    const auto unheard = [](const Slots::Place&) { FAIL(); };
    const auto one = slots.take(0, unheard, {});
    const auto two = slots.take(0, unheard, {});
    EXPECT_TRUE(one);
    EXPECT_TRUE(two);
    std::stop_source stopped;
    stopped.request_stop();
    EXPECT_FALSE(slots.take(100, {}, stopped.get_token()));
}

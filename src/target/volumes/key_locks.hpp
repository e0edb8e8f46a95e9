#pragma once
// Named locks: one holder per volume or machine, across threads. Thread-safe.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

namespace mk::volumes {

class KeyLocks {
  public:
    /// Gives the key back when it ends.
    class Lease {
      public:
        Lease(KeyLocks* locks, std::string key) : locks_(locks), key_(std::move(key)) {}
        Lease(Lease&& other) noexcept : locks_(other.locks_), key_(std::move(other.key_)) { other.locks_ = nullptr; }
        Lease& operator=(Lease&&) = delete;
        ~Lease();

      private:
        KeyLocks* locks_;
        std::string key_;
    };

    std::optional<Lease> try_acquire(const std::string& key);
    /// Throws Error{conflict} naming the key when it is still held after `limit`, Error{cancelled} when stopped.
    Lease acquire(const std::string& key, std::chrono::milliseconds limit, const std::stop_token& stop);
    /// Called after each release, without locks held. Set before first use.
    void on_release(std::function<void()> callback) { on_release_ = std::move(callback); }

  private:
    void release(const std::string& key);

    std::mutex held_mutex_;
    std::condition_variable_any released_;
    std::set<std::string> held_;
    std::function<void()> on_release_;
};

}  // namespace mk::volumes

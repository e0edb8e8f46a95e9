#pragma once
// Counts the calls that cross a port and fails the chosen one, before or after its effect (the answer is lost then); or
// "kills the process" between any two effects, writes to the database included: from then on nothing has an effect any
// more. Thread-safe.

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace mk::test {

enum class Moment { before, after };

class Faults {
  public:
    /// The n-th call from now on (1 = the next) fails once.
    void fail_call(int n, Moment moment = Moment::before) {
        const std::lock_guard lock(mutex_);
        countdown_ = n;
        moment_ = moment;
        hit_.clear();
    }
    /// Every call of that name fails until mend().
    void break_call(const std::string& name, ErrorCode code = ErrorCode::unavailable) {
        const std::lock_guard lock(mutex_);
        broken_.insert(name);
        code_ = code;
    }
    /// Runs `work` once, before the n-th call from now on.
    void at_call(int n, std::function<void()> work) {
        const std::lock_guard lock(mutex_);
        work_countdown_ = n;
        work_ = std::move(work);
    }
    /// The process dies before the n-th effect from now on: a call through a port or a write to the database.
    void kill_at(int n) {
        const std::lock_guard lock(mutex_);
        effects_left_ = n;
    }
    bool is_dead() const {
        const std::lock_guard lock(mutex_);
        return dead_;
    }
    /// The next process starts.
    void revive() {
        const std::lock_guard lock(mutex_);
        dead_ = false;
        effects_left_ = 0;
    }
    /// The next n writes to the database fail, as when its disk is full for a while.
    void refuse_writes(int n) {
        const std::lock_guard lock(mutex_);
        refused_writes_ = n;
    }
    /// The n-th write from now on fails once. False from was_refused() until then.
    void refuse_write_at(int n) {
        const std::lock_guard lock(mutex_);
        writes_left_ = n;
        was_refused_ = false;
    }
    bool was_refused() const {
        const std::lock_guard lock(mutex_);
        return was_refused_;
    }
    /// To be called before every write to the database.
    void write() {
        const std::lock_guard lock(mutex_);
        effect_locked();
        if (writes_left_ > 0 && --writes_left_ == 0) {
            was_refused_ = true;
            throw Error(ErrorCode::exhausted, "the disk is full");
        }
        if (refused_writes_ > 0) {
            --refused_writes_;
            throw Error(ErrorCode::exhausted, "the disk is full");
        }
    }
    void throw_if_dead() const {
        const std::lock_guard lock(mutex_);
        throw_if_dead_locked();
    }
    void mend() {
        const std::lock_guard lock(mutex_);
        broken_.clear();
        countdown_ = 0;
        work_countdown_ = 0;
        writes_left_ = 0;
        code_ = ErrorCode::unavailable;
    }
    /// Name of the call that failed since fail_call(); empty when none did.
    std::string hit() const {
        const std::lock_guard lock(mutex_);
        return hit_;
    }
    std::vector<std::string> calls() const {
        const std::lock_guard lock(mutex_);
        return calls_;
    }
    void forget_calls() {
        const std::lock_guard lock(mutex_);
        calls_.clear();
    }

    /// To be called by every fake, around the effect.
    template <class Effect>
    auto call(const std::string& name, Effect&& effect) {
        if (const auto work = due_work()) {
            work();
        }
        const auto fails = note(name);
        if (fails == Moment::before) {
            throw Error(code_, name + " failed on purpose");
        }
        if constexpr (std::is_void_v<decltype(effect())>) {
            effect();
            fail_after(name, fails);
        } else {
            auto result = effect();
            fail_after(name, fails);
            return result;
        }
    }

  private:
    std::function<void()> due_work() {
        const std::lock_guard lock(mutex_);
        return work_countdown_ > 0 && --work_countdown_ == 0 ? std::exchange(work_, {}) : std::function<void()>{};
    }
    std::optional<Moment> note(const std::string& name) {
        const std::lock_guard lock(mutex_);
        effect_locked();
        calls_.push_back(name);
        if (broken_.contains(name)) {
            return Moment::before;
        }
        if (countdown_ > 0 && --countdown_ == 0) {
            hit_ = name;
            return moment_;
        }
        return std::nullopt;
    }
    void effect_locked() {
        if (effects_left_ > 0 && --effects_left_ == 0) {
            dead_ = true;
        }
        throw_if_dead_locked();
    }
    void throw_if_dead_locked() const {
        if (dead_) {
            throw Error(ErrorCode::internal, "the process is dead");
        }
    }
    void fail_after(const std::string& name, std::optional<Moment> fails) const {
        if (fails) {
            throw Error(code_, "the answer to " + name + " was lost on purpose");
        }
    }

    mutable std::mutex mutex_;
    int countdown_ = 0;
    int work_countdown_ = 0;
    std::function<void()> work_;
    int effects_left_ = 0;
    int refused_writes_ = 0;
    int writes_left_ = 0;
    bool was_refused_ = false;
    bool dead_ = false;
    Moment moment_ = Moment::before;
    ErrorCode code_ = ErrorCode::unavailable;
    std::set<std::string> broken_;
    std::string hit_;
    std::vector<std::string> calls_;
};

}  // namespace mk::test

#include "tunnel/limited_log.hpp"

#include <utility>

#include "base/log.hpp"

namespace mk::tunnel {
namespace {

constexpr std::chrono::seconds between_events{10};

}  // namespace

std::optional<std::size_t> LogLimit::pass(TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (next_ && now < *next_) {
        ++left_out_;
        return std::nullopt;
    }
    next_ = now + between_events;
    return std::exchange(left_out_, 0);
}

void LimitedLog::warn(const std::string& event) {
    if (const auto left_out = limit_.pass(std::chrono::steady_clock::now())) {
        log::warn("{}{}", event, *left_out > 0 ? " similar_left_out=" + std::to_string(*left_out) : "");
    }
}

}  // namespace mk::tunnel

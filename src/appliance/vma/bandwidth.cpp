#include "appliance/vma/bandwidth.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "contracts/engine_api.hpp"

namespace mk::vma {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds update_interval{2'000};
/// Long enough to even out the bursts of a token bucket, short enough to follow a job that begins to copy.
constexpr milliseconds measured_over{4'000};
/// Reports closer together than this are one sample.
constexpr milliseconds sample_interval{250};
/// A job that uses this much of its part could use more.
constexpr double saturated = 0.85;
/// Room above what a job uses, to see that it could use more.
constexpr double headroom = 1.5;
/// Of its part by number of jobs, what a job that moves nothing keeps to begin with.
constexpr Bytes idle_fraction = 16;
/// A part that rises by less is not worth a command.
constexpr double noticeable_rise = 1.02;

}  // namespace

void Bandwidth::set_total(Bytes bytes_per_second) {
    const std::lock_guard lock(mutex_);
    total_ = bytes_per_second;
    divide(Precision::exact);
    changed_.notify_all();
}

void Bandwidth::join(const JobId& job, Member member) {
    const std::lock_guard lock(mutex_);
    Sharer& sharer = sharers_[job];
    sharer = Sharer{.member = std::move(member)};
    sharer.samples.push_back({clock_.now(), 0});
    divide(Precision::exact);
    changed_.notify_all();
}

void Bandwidth::leave(const JobId& job) {
    const std::lock_guard lock(mutex_);
    sharers_.erase(job);
    divide(Precision::exact);
}

void Bandwidth::set_cap(const JobId& job, Bytes bytes_per_second) {
    const std::lock_guard lock(mutex_);
    const auto found = sharers_.find(job);
    if (found != sharers_.end()) {
        found->second.member.cap = bytes_per_second;
        divide(Precision::exact);
    }
}

void Bandwidth::measured(const JobId& job, Bytes wire_bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = sharers_.find(job);
    if (found == sharers_.end()) {
        return;
    }
    std::deque<Sample>& samples = found->second.samples;
    const Instant now = clock_.now();
    if (now < samples.back().at ||
        wire_bytes < samples.back().bytes) {  // the clock was set, or another measure is used
        samples.assign(1, {now, wire_bytes});
        return;
    }
    if (samples.size() > 1 && now - samples[samples.size() - 2].at < sample_interval) {
        samples.pop_back();
    }
    samples.push_back({now, wire_bytes});
    while (samples.size() > 2 && samples[1].at <= now - measured_over) {
        samples.pop_front();
    }
}

void Bandwidth::update() {
    const std::lock_guard lock(mutex_);
    divide(Precision::noticeable);
}

void Bandwidth::keep_current(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        // A single job has it all; nothing changes until somebody joins or a limit is set.
        changed_.wait(lock, stop, [&] { return total_ != 0 && sharers_.size() > 1; });
        changed_.wait_for(lock, stop, update_interval, [] { return false; });
        divide(Precision::noticeable);
    }
}

/// Bytes per second over the last seconds; silence counts as nothing moved. Nothing for a job that just joined.
std::optional<double> Bandwidth::rate_of(const Sharer& sharer, Instant now) {
    const std::deque<Sample>& samples = sharer.samples;
    if (now - samples.front().at < measured_over) {
        return std::nullopt;
    }
    Bytes before = samples.front().bytes;
    for (const Sample& sample : samples) {
        if (sample.at > now - measured_over) {
            break;
        }
        before = sample.bytes;
    }
    return static_cast<double>(samples.back().bytes - before) / std::chrono::duration<double>(measured_over).count();
}

Claim Bandwidth::claim_of(const Sharer& sharer, Instant now, Bytes idle_demand) const {
    Claim claim{.priority = sharer.member.priority, .cap = sharer.member.cap};
    const std::optional<double> rate = rate_of(sharer, now);
    const bool has_part = sharer.told.has_value() && *sharer.told != 0;
    if (rate && has_part && *rate < saturated * static_cast<double>(*sharer.told)) {
        claim.asks_for_all = false;
        claim.demand = std::max(static_cast<Bytes>(headroom * *rate), idle_demand);
    }
    return claim;
}

/// One per sharer, in their order; 0: no limit.
std::vector<Bytes> Bandwidth::shares() const {
    std::vector<Bytes> parts;
    if (total_ == 0) {
        for (const auto& [job, sharer] : sharers_) {
            parts.push_back(sharer.member.cap);
        }
        return parts;
    }
    const Instant now = clock_.now();
    std::vector<Claim> claims;
    for (const auto& [job, sharer] : sharers_) {
        claims.push_back(claim_of(sharer, now, total_ / sharers_.size() / idle_fraction));
    }
    parts = fair_shares(total_, claims);
    std::replace(parts.begin(), parts.end(), Bytes{0}, Bytes{1});  // 0 would mean no limit
    return parts;
}

/// The caller holds the lock.
void Bandwidth::divide(Precision precision) {
    if (!sharers_.empty()) {
        tell_changes(shares(), precision);
    }
}

/// Parts that shrink are told first, so that the sum is at no time above the limit.
void Bandwidth::tell_changes(const std::vector<Bytes>& shares, Precision precision) {
    const auto amount = [](Bytes share) { return static_cast<double>(share == 0 ? ~Bytes{0} : share); };
    const auto tell_where = [&](const auto& is_wanted) {
        std::size_t i = 0;
        for (auto& [job, sharer] : sharers_) {
            const Bytes share = shares[i++];
            if (is_wanted(sharer.told, share)) {
                tell(job, sharer, share);
            }
        }
    };
    tell_where([&](const std::optional<Bytes>& told, Bytes share) { return told && amount(share) < amount(*told); });
    const double least_rise = precision == Precision::exact ? 1.0 : noticeable_rise;
    tell_where([&](const std::optional<Bytes>& told, Bytes share) {
        return !told || (*told != share && amount(share) >= amount(*told) * least_rise);
    });
}

void Bandwidth::tell(const JobId& job, Sharer& sharer, Bytes share) {
    sharer.told = share;
    if (!sharer.member.send(contracts::engine_command_line({.bytes_per_second = share}))) {
        log::debug("event=limit_not_told job={} bytes_per_second={}: its engine does not read", job.value, share);
    }
}

}  // namespace mk::vma

#include "target/volumes/staging_space.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/core.h>

#include "base/log.hpp"

namespace mk::volumes {

StagingSpace::StagingSpace(StagingOptions options) : options_(std::move(options)) {
    os::make_folders(options_.folder);
}

std::unique_ptr<StagingSpace::Account> StagingSpace::open_account() {
    return std::make_unique<Account>(shared_from_this());
}

Error StagingSpace::full(const std::string& cause, const std::string& consequence) const {
    return Error(
        ErrorCode::exhausted, cause,
        {.consequence = consequence,
         .remedy = "Enlarge the staging space " + options_.folder + ", or replicate fewer machines at the same time.",
         .retry_safe = true});
}

/// What accounts, except the one that asks, were promised and have not used yet. With the lock held.
Bytes StagingSpace::promised_beside(const Account* asking) const {
    Bytes promised = 0;
    for (const auto* account : accounts_) {
        const Bytes used = account->used_;
        promised += account != asking && account->expected_ > used ? account->expected_ - used : 0;
    }
    return promised;
}

StagingState StagingSpace::state() const {
    std::error_code failure;
    const auto space = std::filesystem::space(options_.folder, failure);
    if (failure) {
        throw Error(ErrorCode::unavailable, "the staging folder " + options_.folder + " cannot be looked at",
                    {.consequence = "No increment can be staged.",
                     .remedy = "Mount it, or correct staging_folder in the configuration.",
                     .retry_safe = true})
            .with_native(failure.message());
    }
    const auto less = [](Bytes whole, Bytes part) { return whole > part ? whole - part : 0; };
    const std::lock_guard lock(accounts_mutex_);
    const Bytes used = used_;
    const Bytes promised = promised_beside(nullptr);
    const Bytes on_disk = less(space.available, promised + options_.reserve);
    const Bytes in_quota = options_.quota == 0 ? on_disk : less(options_.quota, used + promised);
    return {.total = space.capacity,
            .free = space.available,
            .reserved = used + promised,
            .available = std::min(on_disk, in_quota)};
}

/// With the lock held.
void StagingSpace::check_fits(Bytes more, const Account& asking) const {
    const Bytes promised = promised_beside(&asking);
    const Bytes used = used_;
    const auto free = os::free_bytes(options_.folder);
    const bool fits_disk = more + promised + options_.reserve <= free;
    const bool fits_quota = options_.quota == 0 || used + promised + more <= options_.quota;
    if (!fits_disk || !fits_quota) {
        throw full(
            fmt::format("the staging space cannot take {} of changes: {} free, {} used, {} promised to other sessions",
                        format_bytes(more), format_bytes(free), format_bytes(used), format_bytes(promised)),
            "Nothing was changed.");
    }
}

void StagingSpace::remove_orphans(const std::set<std::string>& session_ids) const {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(options_.folder, error)) {
        const auto extension = entry.path().extension();
        const bool is_ours = extension == ".data" || extension == ".journal";
        if (is_ours && !session_ids.contains(entry.path().stem().string())) {
            log::warn("the overlay file {} belongs to no session and is removed", entry.path().string());
            try {
                os::remove_file(entry.path().string());
            } catch (const Error& failure) {
                log::error("it is left over: {}", failure.full_text());
            }
        }
    }
}

StagingSpace::Account::Account(std::shared_ptr<StagingSpace> space) : space_(std::move(space)) {
    const std::lock_guard lock(space_->accounts_mutex_);
    space_->accounts_.push_back(this);
}

StagingSpace::Account::~Account() {
    set_used(0);
    const std::lock_guard lock(space_->accounts_mutex_);
    std::erase(space_->accounts_, this);
}

void StagingSpace::Account::expect(Bytes more) {
    const std::lock_guard lock(space_->accounts_mutex_);
    space_->check_fits(more, *this);
    expected_ = used_ + more;
}

void StagingSpace::Account::require_room(Bytes length) const {
    const auto& options = space_->options_;
    const bool fits_quota = options.quota == 0 || space_->used_ + length <= options.quota;
    if (!fits_quota || os::free_bytes(options.folder) < options.reserve + length) {
        throw space_->full("the staging space is full",
                           "The volume is untouched; the session stays open with what arrived before.");
    }
}

void StagingSpace::Account::set_used(Bytes used) {
    const Bytes before = used_.exchange(used);
    space_->used_ += used - before;  // wraps where it shrinks, and so does the sum
}

}  // namespace mk::volumes

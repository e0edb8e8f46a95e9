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

/// With the lock held. Counts what others were promised and have not used yet.
void StagingSpace::check_fits(Bytes more, const Account& asking) const {
    Bytes promised = 0;
    for (const auto* account : accounts_) {
        const Bytes used = account->used_;
        promised += account != &asking && account->expected_ > used ? account->expected_ - used : 0;
    }
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

#include "target/volumes/export_registry.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace mk::volumes {

ExportRegistry::Lease::Lease(Lease&& other) noexcept
    : registry_(other.registry_), user_(other.user_), backend_(std::move(other.backend_)) {
    other.registry_ = nullptr;
}

ExportRegistry::Lease::~Lease() {
    if (registry_ != nullptr) {
        backend_.reset();  // first: who waits for us expects the device to be closed
        registry_->release(user_);
    }
}

void ExportRegistry::add(const std::string& name, std::shared_ptr<ExportBackend> backend) {
    const std::lock_guard lock(mutex_);
    if (!exports_.emplace(name, std::move(backend)).second) {
        throw Error(ErrorCode::conflict, "the export " + name + " exists already");
    }
}

void ExportRegistry::remove(const std::string& name) {
    std::unique_lock lock(mutex_);
    exports_.erase(name);
    const auto uses_it = [&](const User& user) { return user.name == name; };
    for (const auto& user : users_) {
        if (uses_it(user) && user.cut) {
            user.cut();
        }
    }
    released_.wait(lock, [&] { return std::none_of(users_.begin(), users_.end(), uses_it); });
}

void ExportRegistry::remove_all() {
    std::unique_lock lock(mutex_);
    exports_.clear();
    for (const auto& user : users_) {
        if (user.cut) {
            user.cut();
        }
    }
    released_.wait(lock, [&] { return users_.empty(); });
}

void ExportRegistry::cut_users(const std::string& name) {
    std::unique_lock lock(mutex_);
    const auto last = last_user_;  // who comes later is not waited for: there may always be another one
    const auto is_meant = [&](const User& user) { return user.name == name && user.number <= last; };
    for (const auto& user : users_) {
        if (is_meant(user) && user.cut) {
            user.cut();
        }
    }
    released_.wait(lock, [&] { return std::none_of(users_.begin(), users_.end(), is_meant); });
}

bool ExportRegistry::has(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return exports_.contains(name);
}

std::optional<ExportRegistry::Lease> ExportRegistry::use(const std::string& name, std::function<void()> cut) {
    const std::lock_guard lock(mutex_);
    const auto found = exports_.find(name);
    if (found == exports_.end()) {
        return std::nullopt;
    }
    users_.push_front({++last_user_, name, std::move(cut)});
    return Lease(this, users_.begin(), found->second);
}

void ExportRegistry::release(std::list<User>::iterator user) {
    const std::lock_guard lock(mutex_);
    users_.erase(user);
    released_.notify_all();
}

}  // namespace mk::volumes

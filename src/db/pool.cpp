#include "db/pool.hpp"

#include <utility>

#include <soci/soci.h>

namespace mk::db {

Pool::Lease Pool::lease(std::chrono::milliseconds limit) {
    std::unique_ptr<soci::session> session;
    {
        std::unique_lock lock(mutex_);
        if (!returned_.wait_for(lock, limit, [this] { return free_places_ > 0; })) {
            throw Error(ErrorCode::unavailable, "all connections to the database are in use",
                        {"Nothing was stored.", "Try again in a moment.", true});
        }
        --free_places_;
        if (!idle_.empty()) {
            session = std::move(idle_.back());
            idle_.pop_back();
        }
    }
    if (!session) {
        try {
            session = dialect_.connect();
        } catch (const std::exception&) {
            give_back(nullptr);
            throw;
        }
    }
    return Lease(*this, std::move(session));
}

void Pool::give_back(std::unique_ptr<soci::session> session) {
    {
        const std::lock_guard lock(mutex_);
        ++free_places_;
        if (session) {
            idle_.push_back(std::move(session));
        }
    }
    returned_.notify_one();
}

}  // namespace mk::db

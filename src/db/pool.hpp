#pragma once
// A bounded set of open connections. Thread-safe; a Lease belongs to one thread. Internal to db/.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include <soci/session.h>

#include "db/dialect.hpp"

namespace mk::db {

class Pool {
  public:
    /// One connection for one thread; goes back when it is destroyed.
    class Lease {
      public:
        Lease(Pool& pool, std::unique_ptr<soci::session> session) : pool_(pool), session_(std::move(session)) {}
        ~Lease() { pool_.give_back(std::move(session_)); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;

        soci::session& session() { return *session_; }
        /// The connection is in an unknown state: it is closed instead of being used again.
        void discard() { session_.reset(); }
        bool is_discarded() const { return session_ == nullptr; }

      private:
        Pool& pool_;
        std::unique_ptr<soci::session> session_;
    };

    Pool(const Dialect& dialect, std::size_t size) : dialect_(dialect), free_places_(size) {}
    /// Opens a connection when none is idle. Throws Error{unavailable} when all are in use for `limit`, or as
    /// connect().
    Lease lease(std::chrono::milliseconds limit);

  private:
    void give_back(std::unique_ptr<soci::session> session);

    const Dialect& dialect_;
    std::mutex mutex_;
    std::condition_variable returned_;
    // Guarded by mutex_:
    std::size_t free_places_;
    std::vector<std::unique_ptr<soci::session>> idle_;
};

}  // namespace mk::db

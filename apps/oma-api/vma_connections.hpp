#pragma once
// Connections to the VMA that are kept between calls: each one through the tunnel costs a TLS handshake at the other
// site, and every running pass is asked twice a second. Thread-safe; a connection serves one call at a time.

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "http/api_client.hpp"
#include "source_access.hpp"

namespace mk::oma {

class VmaConnections {
    struct Entry {
        std::string key;  ///< address and token
        http::ApiClient client;
    };

  public:
    /// One call's hold on a connection; goes back when it ends.
    class Lease {
      public:
        Lease(VmaConnections& owner, std::unique_ptr<Entry> entry) : owner_(owner), entry_(std::move(entry)) {}
        ~Lease() { owner_.give_back(std::move(entry_)); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        http::ApiClient* operator->() { return &entry_->client; }

      private:
        VmaConnections& owner_;
        std::unique_ptr<Entry> entry_;
    };

    /// `limit`: for each call on it. Connections along another route are closed: that VMA is not used any more.
    Lease lease(const VmaRoute& route, std::chrono::milliseconds limit);

  private:
    void give_back(std::unique_ptr<Entry> entry) noexcept;

    std::mutex mutex_;
    std::string key_;  ///< of the route that was asked for last
    std::vector<std::unique_ptr<Entry>> idle_;
};

}  // namespace mk::oma

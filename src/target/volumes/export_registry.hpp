#pragma once
// The exports that exist now, and who is using them. Removing one cuts its users and waits until they are gone, so that
// afterwards nobody holds its device or overlay any more. Thread-safe.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "target/volumes/export_backend.hpp"

namespace mk::volumes {

class ExportRegistry {
    struct User {
        std::uint64_t number;  ///< in the order of their coming
        std::string name;
        std::function<void()> cut;
    };

  public:
    /// The right to use an export. remove() waits for its end.
    class Lease {
      public:
        Lease(Lease&& other) noexcept;
        Lease& operator=(Lease&&) = delete;
        ~Lease();
        ExportBackend& backend() const { return *backend_; }

      private:
        friend class ExportRegistry;
        Lease(ExportRegistry* registry, std::list<User>::iterator user, std::shared_ptr<ExportBackend> backend)
            : registry_(registry), user_(user), backend_(std::move(backend)) {}

        ExportRegistry* registry_;
        std::list<User>::iterator user_;
        std::shared_ptr<ExportBackend> backend_;
    };

    /// Error{conflict} when the name is taken.
    void add(const std::string& name, std::shared_ptr<ExportBackend> backend);
    /// No error when absent.
    void remove(const std::string& name);
    void remove_all();
    /// Cuts those who use it now and waits until they are gone: nothing that they sent arrives any more. The export
    /// stays, also for those who come meanwhile. No error when absent.
    void cut_users(const std::string& name);
    bool has(const std::string& name) const;
    /// Nothing when there is no such export. `cut` is called when the export is removed or its users are cut, under a
    /// lock: it must return at once, and what uses the export must end soon after it.
    std::optional<Lease> use(const std::string& name, std::function<void()> cut);

  private:
    void release(std::list<User>::iterator user);

    mutable std::mutex mutex_;
    std::condition_variable released_;
    std::map<std::string, std::shared_ptr<ExportBackend>> exports_;
    std::list<User> users_;
    std::uint64_t last_user_ = 0;
};

}  // namespace mk::volumes

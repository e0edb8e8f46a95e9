#pragma once
// One login at one vCenter, shared by all calls of a Vcenter. Thread-safe.
//
//   connect -> [versions, RetrieveServiceContent, Login] -> calls ... -> Logout (destructor)
//                 call answers NotAuthenticated -> one Login under a lock -> the call once more if it is idempotent
//
// Keep-alive: CurrentTime every few minutes on an own thread, because disk reads do not renew a session. A login that
// was refused is remembered and never repeated: repeated wrong passwords lock accounts.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/secret.hpp"
#include "source/vsphere/reply.hpp"
#include "source/vsphere/transport.hpp"

namespace mk::vsphere {

/// Singletons and facts of the server (ids differ between vCenter and ESXi, so they are always taken from here).
struct ServiceContent {
    Moref root_folder;
    Moref property_collector;
    Moref view_manager;
    Moref session_manager;
    std::string full_name;
    std::string version;
    std::string build;
    std::string api_type;  ///< VirtualCenter or HostAgent
    std::string instance_uuid;

    bool is_vcenter() const { return api_type == "VirtualCenter"; }
};

/// Pauses and limits of everything that waits; tests shorten them.
struct Pacing {
    std::chrono::milliseconds keep_alive{std::chrono::minutes{5}};  // idle time-out is 30 minutes by default
    std::chrono::milliseconds task_first{200};
    std::chrono::milliseconds task_longest{2'000};
    std::chrono::milliseconds busy_first{1'000};
    std::chrono::milliseconds busy_longest{30'000};
    int busy_attempts = 60;  // about half an hour of refusals
    std::chrono::milliseconds resend_first{500};
    std::chrono::milliseconds resend_give_up{45'000};
    std::chrono::milliseconds out_of_contact{600'000};  // a task is followed through an outage of this length
    std::chrono::milliseconds reader_first{500};
    std::chrono::milliseconds consolidation_poll{1'000};
};

struct Call {
    std::string operation;  ///< for messages: "creating a snapshot"
    std::string envelope;
    bool idempotent = true;
    std::chrono::milliseconds limit{120'000};
};

class Session {
  public:
    struct Login {
        std::string username;
        Secret password;
    };

    /// Logs in. Errors: unauthenticated, unavailable, timeout, external.
    Session(std::unique_ptr<Transport> transport, Login login, Pacing pacing, const std::stop_token& stop);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Throws faults as Error. A call that is not idempotent is never sent twice: Error{unauthenticated,
    /// "NotAuthenticated"} then means that the session is new and the caller must look before it repeats.
    Reply call(const Call& call, const std::stop_token& stop);
    /// As above, but returns faults.
    Answer try_call(const Call& call, const std::stop_token& stop);

    const ServiceContent& content() const { return content_; }
    const Pacing& pacing() const { return pacing_; }
    const Login& login() const { return login_; }
    PeerCertificate certificate() const { return transport_->certificate(); }
    /// "vmware_soap_session=..." byte for byte.
    std::string cookie() const;
    /// Grows with each login: views and tokens of an older generation are dead.
    std::uint64_t generation() const;
    /// A new login, whatever state the old one is in: for readers whose requests are refused.
    void renew(const std::stop_token& stop);
    /// Called after each login, under the login lock, and at once. One listener.
    void on_login(std::function<void(const std::string& cookie)> listener);

  private:
    void choose_version(const std::stop_token& stop);
    void read_content(const std::stop_token& stop);
    void log_in(const std::stop_token& stop);
    void log_in_after(std::uint64_t generation, const std::stop_token& stop);
    void log_out(const std::string& cookie) noexcept;
    Answer exchange(const Call& call, const std::string& cookie, const std::stop_token& stop);
    Answer send_once(const Call& call, const std::string& cookie, const std::stop_token& stop,
                     std::vector<std::string>* cookies = nullptr);
    void keep_alive(const std::stop_token& stop);

    const std::unique_ptr<Transport> transport_;
    const Login login_;
    const Pacing pacing_;
    std::string soap_action_;  // set once during construction, as the content
    ServiceContent content_;

    std::mutex login_mutex_;  // one login at a time; taken before mutex_
    std::optional<Error> refused_;
    std::function<void(const std::string&)> listener_;

    mutable std::mutex mutex_;  // protects cookie and generation
    std::string cookie_;
    std::uint64_t generation_ = 0;

    std::jthread keeper_;  // last: stopped before the rest goes
};

}  // namespace mk::vsphere

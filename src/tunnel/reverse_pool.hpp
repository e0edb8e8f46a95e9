#pragma once
// The gateway's idle reverse connections by appliance, and those who want to use one. Thread-safe.
//
// A local connection gets the connection that was idle for the shortest time. It is joined to it only after the VMA has
// said that it is ready; when it does not say so, the next one is tried. With none idle, but some in use now or two
// seconds ago (the VMA is there and will dial another one in a moment), the local connection waits for up to five
// seconds.

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>

#include "os/file.hpp"
#include "tunnel/metrics.hpp"
#include "tunnel/tls_stream.hpp"

namespace mk::tunnel {

class ReversePool {
  public:
    /// Keeps `stream` idle until it is used, then carries bytes. Returns when the connection is over; throws what the
    /// streams throw. On the connection's own thread. `counted`: its use. `is_paired` is asked after the wait, before a
    /// request goes down: the id may have got another key meanwhile. When it says no, the request goes to the next
    /// connection, and Error{forbidden} is thrown.
    void serve(const std::string& appliance_id, TlsStream& stream, int socket, Metrics::Protocol& counted,
               const std::function<bool()>& is_paired);
    /// Takes a local connection. It is closed when nobody is there.
    void give(const std::string& appliance_id, os::Descriptor local);
    /// Closes the local connections that have waited for too long. To be called every second.
    void close_overdue();

    struct Count {
        std::size_t idle = 0;
        std::size_t used = 0;
    };
    Count count(const std::string& appliance_id) const;

  private:
    using TimePoint = std::chrono::steady_clock::time_point;
    struct Idle {
        os::Descriptor wake;   ///< event: `local` was set
        os::Descriptor local;  ///< for whom it is wanted
    };
    struct Waiting {
        os::Descriptor local;
        TimePoint deadline;
    };
    struct Appliance {
        std::list<Idle*> idle;
        std::list<Waiting> waiting;
        std::size_t used = 0;
        TimePoint last_use{};  ///< when the last one ended well
    };

    os::Descriptor wait_for_use(const std::string& appliance_id, TlsStream& stream, int socket);
    bool await_use(Idle& idle, TlsStream& stream, int socket);
    bool make_ready(TlsStream& stream);
    bool give_to_idle(Appliance& appliance, os::Descriptor& local);

    mutable std::mutex mutex_;
    std::map<std::string, Appliance> appliances_;
};

}  // namespace mk::tunnel

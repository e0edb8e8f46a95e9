#pragma once
// Accepted connections with a thread each: how many there may be, who they are, and how to cut them. Shared by the
// gateway and by the processes that it hands connections to. Thread-safe.

#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "os/file.hpp"
#include "tunnel/metrics.hpp"
#include "tunnel/pairing_store.hpp"

namespace mk::tunnel {

class ConnectionList {
  public:
    class Entry {
      public:
        /// Empty until admit(). To be asked on the connection's own thread.
        const std::string& appliance_id() const { return appliance_id_; }
        /// For poll() only.
        int socket() const { return socket_.get(); }

      private:
        friend class ConnectionList;
        void cut();

        os::Descriptor socket_;  ///< a second one for cutting; reading and writing has its own
        std::string appliance_id_;
        std::string fingerprint_;
        std::string protocol_;
        bool is_revoked_ = false;
        bool is_cut_ = false;
        bool is_over_ = false;
        std::thread thread_;
    };
    /// Must not throw.
    using Serve = std::function<void(Entry&, os::Descriptor)>;

    /// `max_known`: of all appliances together; one alone may have three quarters of them.
    /// `max_strangers`: of those that have not proved yet who they are; the oldest one is cut for a new one. No more
    /// than as many again may be ending in this way.
    ConnectionList(std::size_t max_known, std::size_t max_strangers);
    ~ConnectionList() { stop(); }
    ConnectionList(const ConnectionList&) = delete;
    ConnectionList& operator=(const ConnectionList&) = delete;

    /// Runs `serve` on a new thread. The peer sees the end when it has returned. False when too many are ending: the
    /// socket is closed. Throws Error{external, exhausted} when the machine has no descriptor or thread left.
    bool begin(os::Descriptor socket, Serve serve);
    /// The connection has proved to be that appliance. False when there are too many already, of it or of all.
    bool admit(Entry& entry, const Pairing& pairing, const std::string& protocol);
    /// Joins what is over, cuts connections without pairing, notes round trips. To be called every second.
    void look_after(const std::vector<Pairing>& pairings, Metrics& figures);
    /// Cuts all and waits for their threads. Nothing may begin() any more. Idempotent.
    void stop();

  private:
    void reap();
    bool make_room_for_stranger();

    const std::size_t max_known_;
    const std::size_t max_strangers_;
    std::mutex mutex_;  ///< protects the list and the entries, but for what only the entry's thread changes
    std::list<Entry> entries_;
};

}  // namespace mk::tunnel

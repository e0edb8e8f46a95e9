#pragma once
// The export server: offers exactly the exports that were added and not removed; there is no configuration and no
// reload. One thread per connection, buffers of fixed size. Works with nbdcopy, nbdinfo, qemu-img and everything on
// libnbd. Thread-safe.
//
// Connections come through its own listeners, or through the tunnel by serve(). Who has not chosen an export within
// 15 s is cut; where there are too many, who has been choosing for longest makes room. So half-open connections hinder
// nobody.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "os/byte_stream.hpp"
#include "os/file.hpp"
#include "target/volumes/export_registry.hpp"

namespace mk::volumes {

/// One client from the first byte to the last. `on_chosen` is called when it has an export. Throws Error as the stream.
void serve_nbd_client(os::ByteStream& stream, ExportRegistry& exports, const std::function<void()>& on_chosen);

struct NbdServerOptions {
    std::string address = "127.0.0.1";  ///< of this machine alone (127.x.y.z); empty: no TCP
    std::uint16_t port = 10809;         ///< 0 = a free one, see NbdServer::port()
    std::string socket;                 ///< path of a unix socket; empty: none
    std::size_t max_connections = 256;
};

class NbdServer {
  public:
    /// Listens at once. Throws Error when an address is taken, Error{invalid} for one that others could reach.
    explicit NbdServer(NbdServerOptions options);
    ~NbdServer();

    std::uint16_t port() const { return port_; }
    /// Error{conflict} when the name is taken.
    void add_export(const std::string& name, std::shared_ptr<ExportBackend> backend);
    /// Cuts the export's connections; when this returns, no request of theirs is running any more, and none holds the
    /// backend. No error when absent.
    void remove_export(const std::string& name);
    /// As above, but the export stays: who connects from now on is served.
    void cut_clients(const std::string& name) { exports_.cut_users(name); }
    bool has_export(const std::string& name) const { return exports_.has(name); }
    ExportRegistry& exports() { return exports_; }
    /// "nbd://host:port/name", or the unix form when there is no TCP listener.
    std::string uri_of(const std::string& name) const;
    /// A client that came another way. Returns when its connection is over; stop() cuts it and waits.
    void serve(std::unique_ptr<os::ByteStream> stream);
    /// Cuts everything. Idempotent.
    void stop();

  private:
    struct Connection {
        std::unique_ptr<os::ByteStream> stream;
        std::chrono::steady_clock::time_point began;
        bool has_export = false;
        bool is_cut = false;
        bool is_over = false;
        std::jthread thread;  ///< empty: runs on its caller's thread
    };
    using Connections = std::list<Connection>;

    void accept_loop(const std::stop_token& stop);
    void accept_one(int listener);
    Connections::iterator admit(std::unique_ptr<os::ByteStream> stream);
    bool make_room();
    void run(Connection& connection);
    void cut_undecided();
    void reap();

    const NbdServerOptions options_;
    std::uint16_t port_ = 0;
    std::vector<os::Descriptor> listeners_;
    os::Descriptor wake_;
    ExportRegistry exports_;

    mutable std::mutex connections_mutex_;
    std::condition_variable connection_over_;
    Connections connections_;
    bool is_stopped_ = false;

    std::jthread acceptor_;
};

}  // namespace mk::volumes

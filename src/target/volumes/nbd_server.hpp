#pragma once
// The export server: offers exactly the exports that were added and not removed; there is no configuration and no
// reload. One thread per connection. Works with nbdcopy, nbdinfo, qemu-img and everything on libnbd. Thread-safe.

#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "os/file.hpp"
#include "target/volumes/export_backend.hpp"

namespace mk::volumes {

struct NbdServerOptions {
    std::string address = "127.0.0.1";  ///< empty: no TCP
    std::uint16_t port = 10809;         ///< 0 = a free one, see NbdServer::port()
    std::string socket;                 ///< path of a unix socket; empty: none
    std::size_t max_connections = 256;
};

class NbdServer {
  public:
    /// Listens at once. Throws Error when an address is taken.
    explicit NbdServer(NbdServerOptions options);
    ~NbdServer();

    std::uint16_t port() const { return port_; }
    /// Error{conflict} when the name is taken.
    void add_export(const std::string& name, std::shared_ptr<ExportBackend> backend);
    /// Cuts the export's connections; when this returns, no request of theirs is running any more. No error when
    /// absent.
    void remove_export(const std::string& name);
    bool has_export(const std::string& name) const;
    /// "nbd://host:port/name", or the unix form when there is no TCP listener.
    std::string uri_of(const std::string& name) const;
    /// Cuts everything. Idempotent.
    void stop();

  private:
    struct Connection {
        os::Descriptor socket;
        std::string export_name;  ///< empty while negotiating
        bool is_over = false;
        std::jthread thread;
    };

    void listen_tcp();
    void listen_unix();
    void accept_loop(const std::stop_token& stop);
    void accept_one(int listener);
    void run(Connection& connection);
    std::shared_ptr<ExportBackend> find_export(Connection& connection, const std::string& name, bool for_transmission);
    void reap();

    const NbdServerOptions options_;
    std::uint16_t port_ = 0;
    std::vector<os::Descriptor> listeners_;
    os::Descriptor wake_;
    mutable std::mutex exports_mutex_;
    std::condition_variable connection_over_;
    std::map<std::string, std::shared_ptr<ExportBackend>> exports_;
    std::list<Connection> connections_;
    std::jthread acceptor_;
};

}  // namespace mk::volumes
